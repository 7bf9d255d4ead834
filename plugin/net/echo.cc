#include "plugin/net/echo.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace hubrev {
namespace {

// A value so short is no usable token, and would blank ordinary words.
constexpr std::size_t kShortest = 8;

void overwrite(std::string& text, std::string_view secret) {
  std::size_t at = 0;
  while ((at = text.find(secret, at)) != std::string::npos) {
    text.replace(at, secret.size(), secret.size(), '*');
  }
}

void overwrite_everywhere(HttpResponse& response, std::string_view secret) {
  if (secret.size() < kShortest) return;
  overwrite(response.body, secret);
  for (auto& [name, value] : response.headers) overwrite(value, secret);
}

// An LFS server may hand out headers for what follows, our own Authorization among them.
bool is_data(const HttpResponse& response) {
  return response.status >= 200 && response.status < 300 &&
         response.header("content-type").find("json") != std::string_view::npos;
}

}  // namespace

void blank_echoes(HttpResponse& response, const Credential& credential) {
  if (credential.token.empty() || is_data(response)) return;
  overwrite_everywhere(response, credential.token.reveal());
  const std::string basic = basic_value(credential.username, credential.token);
  overwrite_everywhere(response, std::string_view(basic).substr(0, basic.find('=')));
}

}  // namespace hubrev
