#include "plugin/hub/hub_answer.h"

#include <algorithm>
#include <utility>

#include "plugin/base/utf8.h"
#include "plugin/types/json_read.h"

namespace hubrev {

using nlohmann::json;

namespace {

constexpr std::size_t kLongestMessage = 4096;  // of a server's words

bool has_hub_error_headers(const HttpResponse& response) {
  return std::any_of(response.headers.begin(), response.headers.end(),
                     [](const auto& header) { return header.first.starts_with("x-error-"); });
}

}  // namespace

json parse_answer(const HttpResponse& response) {
  return parse_json(response.body);
}

const json* member(const json& object, const char* key, json::value_t type) {
  if (!object.is_object()) return nullptr;
  const auto at = object.find(key);
  return at == object.end() || at->type() != type ? nullptr : &*at;
}

std::string text_member(const json& object, const char* key) {
  const json* value = member(object, key, json::value_t::string);
  return value == nullptr ? "" : value->get<std::string>();
}

std::vector<std::string> messages(const json& answer, const char* key) {
  std::vector<std::string> texts;
  const json* list = member(answer, key, json::value_t::array);
  if (list == nullptr) return texts;
  for (const json& one : *list) {
    const std::string text = one.is_string() ? one.get<std::string>() : text_member(one, "message");
    if (!text.empty()) texts.push_back(shown_text(text, kLongestMessage));
  }
  return texts;
}

bool is_success(const HttpResponse& response) {
  return response.status >= 200 && response.status <= 299;
}

bool is_hub_answer(const HttpResponse& response) {
  const json answer = parse_answer(response);
  if (is_success(response)) return !text_member(answer, "name").empty();
  return response.status == 401 &&
         (has_hub_error_headers(response) || !text_member(answer, "error").empty());
}

bool is_git_server_answer(const HttpResponse& response) {
  if (response.status == 404 || response.status == 405 || response.status == 410) return true;
  return response.status == 401 && parse_answer(response).is_discarded() &&
         !has_hub_error_headers(response) && response.header("x-request-id").empty();
}

}  // namespace hubrev
