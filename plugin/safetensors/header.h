#pragma once
// The header of a safetensors file: 8 bytes of length (little-endian), that many bytes of JSON,
// then the data. Source: the format section of the safetensors README, and what its reference
// reader accepts.

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/base/result.h"
#include "plugin/types/source.h"

namespace hubrev {

struct Tensor {
  std::string name;
  std::string dtype;  // as in the file, e.g. "BF16"
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0;  // bytes from the first data byte
  std::uint64_t end = 0;    // one past the last
};

struct Header {
  std::vector<Tensor> tensors;  // in the order of their data
  std::map<std::string, std::string> metadata;
  std::uint64_t data_offset = 0;  // first data byte, in bytes from the start of the file
};

// Longest JSON the reference reader accepts.
inline constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

// Reads and checks the whole header: every tensor's dtype, shape and offsets agree, the tensors
// cover the data without holes or overlaps, and the data ends where the file does. kInvalidInput
// says what is wrong, without the file's name, which a Source does not know. Blocks on the disk.
Result<Header> read_header(const Source& source);

// Writes a header tensor by tensor, so that a caller can stop before a file grows too large. Each
// tensor's data is taken to follow the data of the one before; `begin` only gives the size.
class HeaderWriter {
 public:
  explicit HeaderWriter(const std::map<std::string, std::string>& metadata);

  // Adds the tensor, unless the file (header and data) would then exceed `limit` bytes.
  bool add(const Tensor& tensor, std::uint64_t limit = std::numeric_limits<std::uint64_t>::max());
  // Of header and data, in bytes.
  std::uint64_t file_size() const;
  // Length, JSON, and spaces up to a multiple of 8 bytes.
  std::string finish() const;

 private:
  std::string json_;  // without the closing brace
  std::uint64_t data_size_ = 0;
};

// The header of a file that holds exactly these tensors, their data in this order from offset 0.
// Names and metadata must be UTF-8, as read_header() returns them.
std::string write_header(const std::vector<Tensor>& tensors,
                         const std::map<std::string, std::string>& metadata);

// A name from a file in quotes, fit for a message.
std::string quote_name(std::string_view name);

}  // namespace hubrev
