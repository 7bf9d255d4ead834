// A safetensors file from anywhere: the whole file, and a header alone whose length and data are
// made to fit, which a fuzzer would hardly ever get right.

#include <algorithm>

#include "plugin/safetensors/header.h"
#include "plugin/safetensors/header_json.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/safetensors/checkpoint.h"

namespace hubrev::fuzz {
namespace {

bool same(const Tensor& a, const Tensor& b) {
  return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape && a.begin == b.begin &&
         a.end == b.end;
}

// What is read can be written, and reads back the same.
void check_round_trip(const Header& header, const std::string& file) {
  const std::string bytes = write_header(header.tensors, header.metadata);
  HUBREV_REQUIRE(bytes.size() % 8 == 0, bytes);
  const auto again =
      read_header(Source::from_bytes(bytes + file.substr(std::size_t{header.data_offset})));
  HUBREV_REQUIRE(again.ok(), again.error().message);
  HUBREV_REQUIRE(again->metadata == header.metadata, bytes);
  HUBREV_REQUIRE(std::equal(header.tensors.begin(), header.tensors.end(), again->tensors.begin(),
                            again->tensors.end(), same),
                 bytes);
  HUBREV_REQUIRE(write_header(again->tensors, again->metadata) == bytes, bytes);
}

void check_file(const std::string& file) {
  const auto header = read_header(Source::from_bytes(file));
  if (header.ok()) {
    check_round_trip(*header, file);
  } else {
    require_error(header.error(), ErrorKind::kInvalidInput);
  }
}

std::string with_data(const std::string& json) {
  constexpr std::uint64_t kMostData = 1 << 16;
  std::uint64_t end = 0;
  if (const auto header = parse_header_json(json); header.ok()) {
    for (const Tensor& tensor : header->tensors) end = std::max(end, tensor.end);
  }
  return testing::file_of(json, std::string(std::size_t{std::min(end, kMostData)}, 'x'));
}

}  // namespace

HUBREV_FUZZ(input) {
  check_file(std::string(input));
  check_file(with_data(std::string(input)));
}

}  // namespace hubrev::fuzz
