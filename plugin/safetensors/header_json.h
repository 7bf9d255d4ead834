#pragma once
// The JSON of a safetensors header, as text. For header.cc only.

#include <string_view>

#include "plugin/base/result.h"
#include "plugin/safetensors/header.h"

namespace hubrev {

// The tensors in the order of the text, and the metadata. Checks the form alone: keys, types, no
// name twice. Memory stays proportional to the text, whatever it holds.
Result<Header> parse_header_json(std::string_view json);

}  // namespace hubrev
