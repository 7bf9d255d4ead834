#include "plugin/safetensors/header.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "plugin/base/utf8.h"
#include "plugin/safetensors/header_json.h"

namespace hubrev {
namespace {

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kAlignment = 8;
constexpr std::size_t kLongestName = 200;  // bytes of a name in a message

struct DtypeSize {
  std::string_view name;
  unsigned bits;
};

// Every dtype of the reference implementation, safetensors 0.8.
constexpr std::array<DtypeSize, 22> kDtypes{{
    {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
    {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
    {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
    {"I64", 64},        {"U64", 64},
}};

Error invalid(std::string message) {
  return make_error(ErrorKind::kInvalidInput, std::move(message));
}

// nullopt when the product does not fit.
std::optional<std::uint64_t> multiply(std::uint64_t a, std::uint64_t b) {
  if (b != 0 && a > std::numeric_limits<std::uint64_t>::max() / b) return std::nullopt;
  return a * b;
}

Status check_size(const Tensor& tensor) {
  const auto dtype = std::find_if(kDtypes.begin(), kDtypes.end(),
                                  [&](const DtypeSize& d) { return d.name == tensor.dtype; });
  if (dtype == kDtypes.end()) {
    return invalid("tensor " + quote_name(tensor.name) + " has the unknown dtype " +
                   quote_name(tensor.dtype));
  }
  std::optional<std::uint64_t> bits = dtype->bits;
  for (const std::uint64_t dimension : tensor.shape) {
    bits = multiply(*bits, dimension);
    if (!bits) return invalid("the shape of tensor " + quote_name(tensor.name) + " is too large");
  }
  if (tensor.end < tensor.begin) {
    return invalid("tensor " + quote_name(tensor.name) + " ends before it begins");
  }
  if (*bits % 8 != 0 || *bits / 8 != tensor.end - tensor.begin) {
    return invalid("dtype and shape of tensor " + quote_name(tensor.name) + " need " +
                   std::to_string(*bits) + " bits, its data_offsets give it " +
                   std::to_string(tensor.end - tensor.begin) + " bytes");
  }
  return {};
}

// Sorts the tensors by their data and checks that they cover it. Returns the end of the data.
Result<std::uint64_t> lay_out(std::vector<Tensor>& tensors) {
  // Stable: tensors without bytes share a place, and keep the order of the text.
  std::stable_sort(tensors.begin(), tensors.end(), [](const Tensor& a, const Tensor& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t at = 0;
  for (const Tensor& tensor : tensors) {
    HUBREV_CHECK(check_size(tensor));
    if (tensor.begin != at) {
      return invalid("tensor " + quote_name(tensor.name) + " begins at byte " +
                     std::to_string(tensor.begin) + " of the data, where " +
                     (tensor.begin < at ? "another one lies; byte " : "a hole ends; byte ") +
                     std::to_string(at) + " was expected");
    }
    at = tensor.end;
  }
  return at;
}

Result<std::uint64_t> read_header_length(const Source& source) {
  if (source.size() < kLengthBytes) {
    return invalid("truncated: a safetensors file has at least 8 bytes, this one has " +
                   std::to_string(source.size()));
  }
  HUBREV_TRY(const std::string bytes, source.subrange(0, kLengthBytes).read_all(kLengthBytes));
  std::uint64_t length = 0;
  for (std::size_t i = kLengthBytes; i-- > 0;) {
    length = (length << 8) | static_cast<unsigned char>(bytes[i]);
  }
  if (length > kMaxHeaderBytes) {
    return invalid("the header claims " + std::to_string(length) +
                   " bytes, more than the format's 100 MB; this is no safetensors file");
  }
  if (length > source.size() - kLengthBytes) {
    return invalid("truncated: the header alone has " + std::to_string(length) +
                   " bytes, the file has " + std::to_string(source.size()));
  }
  return length;
}

std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string json_entry(const Tensor& tensor, std::uint64_t begin, std::uint64_t end) {
  std::string text =
      json_string(tensor.name) + R"(:{"dtype":)" + json_string(tensor.dtype) + R"(,"shape":[)";
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    if (i > 0) text += ',';
    text += std::to_string(tensor.shape[i]);
  }
  return text + R"(],"data_offsets":[)" + std::to_string(begin) + ',' + std::to_string(end) + "]}";
}

// Size of the header whose JSON without its closing brace has `length` bytes.
std::uint64_t padded_header_size(std::uint64_t length) {
  return kLengthBytes + (length + 1 + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

Result<Header> read_header(const Source& source) {
  HUBREV_TRY(const std::uint64_t length, read_header_length(source));
  HUBREV_TRY(const std::string json, source.subrange(kLengthBytes, length).read_all(length));
  HUBREV_TRY(Header header, parse_header_json(json));
  header.data_offset = kLengthBytes + length;
  HUBREV_TRY(const std::uint64_t data_size, lay_out(header.tensors));
  const std::uint64_t present = source.size() - header.data_offset;
  if (data_size != present) {
    return invalid(std::string(data_size > present ? "truncated" : "too long") +
                   ": the header promises " + std::to_string(data_size) +
                   " bytes of data, the file has " + std::to_string(present));
  }
  return header;
}

HeaderWriter::HeaderWriter(const std::map<std::string, std::string>& metadata) : json_("{") {
  if (metadata.empty()) return;
  json_ += R"("__metadata__":{)";
  for (const auto& [key, value] : metadata) {
    if (!json_.ends_with('{')) json_ += ',';
    json_ += json_string(key) + ':' + json_string(value);
  }
  json_ += '}';
}

bool HeaderWriter::add(const Tensor& tensor, std::uint64_t limit) {
  const std::uint64_t end = data_size_ + (tensor.end - tensor.begin);
  const std::string entry = (json_.size() > 1 ? "," : "") + json_entry(tensor, data_size_, end);
  const std::uint64_t header_size = padded_header_size(json_.size() + entry.size());
  if (header_size > limit || end > limit - header_size) return false;
  json_ += entry;
  data_size_ = end;
  return true;
}

std::uint64_t HeaderWriter::file_size() const {
  return padded_header_size(json_.size()) + data_size_;
}

std::string HeaderWriter::finish() const {
  std::string json = json_ + '}';
  json.resize(padded_header_size(json_.size()) - kLengthBytes, ' ');
  std::string bytes;
  bytes.reserve(kLengthBytes + json.size());
  for (unsigned shift = 0; shift < 64; shift += 8) {
    bytes += static_cast<char>((std::uint64_t{json.size()} >> shift) & 0xff);
  }
  return bytes + json;
}

std::string write_header(const std::vector<Tensor>& tensors,
                         const std::map<std::string, std::string>& metadata) {
  HeaderWriter writer(metadata);
  for (const Tensor& tensor : tensors) writer.add(tensor);
  return writer.finish();
}

std::string quote_name(std::string_view name) {
  return '"' + shown_text(name, kLongestName) + '"';
}

}  // namespace hubrev
