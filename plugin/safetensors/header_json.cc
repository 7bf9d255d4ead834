#include "plugin/safetensors/header_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace hubrev {
namespace {

using nlohmann::json;

constexpr std::string_view kMetadataKey = "__metadata__";

// Follows the parser's events; the header's form is fixed, so a state for each level is enough and
// deeper nesting ends the parse. Why not a DOM: it keeps the last of two equal names silently, and
// costs several times the text.
class HeaderEvents final : public nlohmann::json_sax<json> {
 public:
  Header header;
  std::string problem;  // why the parse ended early

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("true or false"); }
  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    return unexpected("a number that is not whole or too large");
  }
  bool binary(binary_t&) override { return unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (state_ == State::kShape) {
      header.tensors.back().shape.push_back(value);
      return true;
    }
    if (state_ != State::kOffsets || offsets_ == 2) return unexpected("a number");
    Tensor& tensor = header.tensors.back();
    (offsets_++ == 0 ? tensor.begin : tensor.end) = value;
    return true;
  }

  bool string(string_t& value) override {
    if (state_ == State::kMetadata) {
      if (!header.metadata.emplace(metadata_key_, std::move(value)).second) {
        return fail("the metadata key " + quote_name(metadata_key_) + " is there twice");
      }
      return true;
    }
    if (state_ != State::kTensor || field_ != Field::kDtype) return unexpected("a string");
    header.tensors.back().dtype = std::move(value);
    return true;
  }

  bool start_object(std::size_t) override {
    if (state_ == State::kStart) {
      state_ = State::kNames;
      return true;
    }
    if (state_ != State::kNames) return unexpected("an object");
    state_ = next_is_metadata_ ? State::kMetadata : State::kTensor;
    return true;
  }

  bool key(string_t& name) override {
    switch (state_) {
      case State::kNames:
        return start_name(name);
      case State::kTensor:
        return start_field(name);
      default:  // kMetadata: no other state is inside an object
        metadata_key_ = std::move(name);
        return true;
    }
  }

  bool end_object() override {
    if (state_ == State::kTensor && seen_ != kAllFields) {
      return fail("tensor " + quote_name(header.tensors.back().name) +
                  " lacks its dtype, shape or data_offsets");
    }
    state_ = state_ == State::kNames ? State::kEnd : State::kNames;
    return true;
  }

  bool start_array(std::size_t) override {
    if (state_ == State::kTensor && field_ == Field::kShape) {
      state_ = State::kShape;
    } else if (state_ == State::kTensor && field_ == Field::kOffsets) {
      state_ = State::kOffsets;
      offsets_ = 0;
    } else {
      return unexpected("an array");
    }
    return true;
  }

  bool end_array() override {
    if (state_ == State::kOffsets && offsets_ != 2) {
      return fail("tensor " + quote_name(header.tensors.back().name) + " needs two data_offsets");
    }
    state_ = State::kTensor;
    field_ = Field::kNone;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return fail("the header is no valid JSON at its byte " + std::to_string(position));
  }

 private:
  enum class State { kStart, kNames, kMetadata, kTensor, kShape, kOffsets, kEnd };
  enum class Field : unsigned { kNone = 0, kDtype = 1, kShape = 2, kOffsets = 4 };
  static constexpr unsigned kAllFields = 7;

  bool fail(std::string what) {
    problem = std::move(what);
    return false;
  }

  bool unexpected(std::string_view what) {
    std::string where = "the header";
    if (state_ == State::kMetadata || next_is_metadata_) {
      where = "the metadata";
    } else if (!header.tensors.empty()) {
      where = "tensor " + quote_name(header.tensors.back().name);
    }
    return fail(where + " holds " + std::string(what) + " where the format has none");
  }

  bool start_name(string_t& name) {
    next_is_metadata_ = name == kMetadataKey;
    if (next_is_metadata_) {
      if (std::exchange(has_metadata_, true)) return fail("the metadata is there twice");
      return true;
    }
    header.tensors.emplace_back().name = std::move(name);
    seen_ = 0;
    field_ = Field::kNone;
    return true;
  }

  bool start_field(const string_t& name) {
    if (name == "dtype") {
      field_ = Field::kDtype;
    } else if (name == "shape") {
      field_ = Field::kShape;
    } else if (name == "data_offsets") {
      field_ = Field::kOffsets;
    } else {
      return fail("tensor " + quote_name(header.tensors.back().name) + " has the unknown field " +
                  quote_name(name));
    }
    const auto bit = static_cast<unsigned>(field_);
    if ((seen_ & bit) != 0) {
      return fail("tensor " + quote_name(header.tensors.back().name) + " has its " + name +
                  " twice");
    }
    seen_ |= bit;
    return true;
  }

  State state_ = State::kStart;
  Field field_ = Field::kNone;  // of the tensor, whose value comes next
  unsigned seen_ = 0;           // fields of the tensor so far
  int offsets_ = 0;             // data_offsets of the tensor so far
  bool next_is_metadata_ = false;
  bool has_metadata_ = false;
  std::string metadata_key_;
};

Status check_names(const std::vector<Tensor>& tensors) {
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const Tensor& tensor : tensors) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end()) {
    return make_error(ErrorKind::kInvalidInput, "tensor " + quote_name(*twice) + " is there twice");
  }
  return {};
}

}  // namespace

Result<Header> parse_header_json(std::string_view text) {
  // The format demands it, and the parser would skip a byte order mark.
  if (!text.starts_with('{')) {
    return make_error(ErrorKind::kInvalidInput, "the header does not begin with '{'");
  }
  // No JSON holds a zero byte; the parser would take it for the end and skip what follows.
  if (text.find('\0') != std::string_view::npos) {
    return make_error(ErrorKind::kInvalidInput, "the header is no valid JSON: it has a zero byte");
  }
  HeaderEvents events;
  if (!json::sax_parse(text, &events)) {
    return make_error(ErrorKind::kInvalidInput, std::move(events.problem));
  }
  HUBREV_CHECK(check_names(events.header.tensors));
  return std::move(events.header);
}

}  // namespace hubrev
