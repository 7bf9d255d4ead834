#pragma once
// Structured values cross to Python and back as JSON text.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "bindings/src/errors.h"
#include "plugin/base/ids.h"
#include "plugin/types/settings.h"

namespace hubrev::python {

// What is not UTF-8 (a server's words, a file's name) is replaced.
inline std::string dump(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Throws ConfigError.
inline nlohmann::json parse_object(const std::string& text) {
  nlohmann::json value = nlohmann::json::parse(text, nullptr, false);
  if (value.is_discarded()) raise(make_error(ErrorKind::kConfig, "settings are not valid JSON"));
  return value;
}

// Throws ConfigError.
inline Settings settings_from(const std::string& text) {
  return unwrap(parse_settings(parse_object(text)));
}

// Throws ConfigError.
inline GitId commit_from(const std::string& hex) {
  const std::optional<GitId> id = GitId::from_hex(hex);
  if (!id) raise(make_error(ErrorKind::kConfig, "'" + hex + "' is not a whole commit id"));
  return *id;
}

}  // namespace hubrev::python
