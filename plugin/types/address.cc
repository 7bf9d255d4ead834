#include "plugin/types/address.h"

#include <algorithm>
#include <array>

namespace hubrev {
namespace {

constexpr std::string_view kFile = "file://";
constexpr std::array<std::string_view, 3> kSchemes = {"https://", "http://", kFile};

Error config_error(std::string_view key, std::string_view message) {
  return make_error(ErrorKind::kConfig, "'" + std::string(key) + "' " + std::string(message));
}

// How long the scheme is; 0 for one that is not spoken.
std::size_t scheme_size(std::string_view url) {
  const auto* const at =
      std::find_if(kSchemes.begin(), kSchemes.end(),
                   [&](std::string_view scheme) { return url.starts_with(scheme); });
  return at == kSchemes.end() ? 0 : at->size();
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 127; });
}

// A part that names another folder than it seems to, or none.
bool has_odd_part(std::string_view path) {
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    if (part.empty() || part == "." || part == "..") return true;
    path.remove_prefix(end);
  }
  return false;
}

Result<RepositoryUrl> parse_file_url(std::string_view url) {
  const std::string folder = file_url_path(url);
  if (!url.substr(kFile.size()).starts_with('/') || folder.size() < 2 || has_control(folder) ||
      has_odd_part(folder)) {
    return config_error("repo_id",
                        "must name a folder by its whole path, as in file:///models/name.git");
  }
  const std::size_t name = url.rfind('/');
  const bool in_root = name == kFile.size();
  return RepositoryUrl{std::string(url), std::string(url.substr(0, name + (in_root ? 1 : 0))), ""};
}

}  // namespace

bool is_repository_url(std::string_view repo_id) {
  return repo_id.find(':') != std::string_view::npos || repo_id.starts_with('/');
}

Result<RepositoryUrl> parse_repository_url(std::string_view text) {
  while (text.ends_with('/')) text.remove_suffix(1);
  const std::size_t scheme = scheme_size(text);
  if (scheme == 0) {
    return config_error("repo_id",
                        "must be 'namespace/name', or an address with https://, http:// or "
                        "file:// (ssh is not spoken)");
  }
  if (is_file_url(text)) return parse_file_url(text);
  std::string_view host = text.substr(scheme);
  const std::size_t slash = std::min(host.find('/'), host.size());
  const std::string_view path = host.substr(slash);
  host = host.substr(0, slash);
  std::string_view username;
  if (const std::size_t at = host.rfind('@'); at != std::string_view::npos) {
    username = host.substr(0, at);
    host.remove_prefix(at + 1);
  }
  if (username.find(':') != std::string_view::npos) {
    return config_error("repo_id",
                        "must not hold a password, since it is shown and stored; leave the user "
                        "name alone in it, and set HF_TOKEN to the password");
  }
  const bool plain = std::none_of(text.begin(), text.end(), [](unsigned char c) {
    return c <= ' ' || c == 127 || c == '?' || c == '#';
  });
  if (!plain || host.empty() || host.front() == ':' || path.empty() || has_odd_part(path)) {
    return config_error("repo_id",
                        "must name a host and a repository, as in "
                        "https://git.example/group/name.git, without '?', '#' or spaces");
  }
  const std::string server = std::string(text.substr(0, scheme)) + std::string(host);
  return RepositoryUrl{server + std::string(path), server, std::string(username)};
}

Result<std::string> parse_server_url(std::string_view key, std::string url) {
  const std::size_t host = scheme_size(url);
  if (host == 0) return config_error(key, "must start with https://, http:// or file://");
  if (url.find('@') != std::string::npos) {
    return config_error(key, "must not hold credentials; set HF_TOKEN and 'username' instead");
  }
  const bool plain = std::none_of(url.begin(), url.end(), [](unsigned char c) {
    return c <= ' ' || c == 127 || c == '?' || c == '#';
  });
  if (!plain) {
    return config_error(key, "must be a host and at most a path, without '?', '#' or spaces");
  }
  const std::size_t shortest = host + (is_file_url(url) ? 1 : 0);
  while (url.size() > shortest && url.ends_with('/')) url.pop_back();
  if (is_file_url(url) && (host == url.size() || url[host] != '/')) {
    return config_error(key, "must name a folder by its whole path, as in file:///models");
  }
  if (!is_file_url(url) && (host == url.size() || url[host] == '/' || url[host] == ':')) {
    return config_error(key, "must name a host, as in https://huggingface.co");
  }
  return url;
}

bool is_file_url(std::string_view url) {
  return url.starts_with(kFile);
}

std::string file_url_path(std::string_view file_url) {
  file_url.remove_prefix(kFile.size());
  std::string path;
  for (std::size_t i = 0; i < file_url.size(); ++i) {
    const bool coded = file_url[i] == '%' && i + 2 < file_url.size() &&
                       hex_digit(file_url[i + 1]) >= 0 && hex_digit(file_url[i + 2]) >= 0;
    if (coded) {
      path += static_cast<char>(hex_digit(file_url[i + 1]) * 16 + hex_digit(file_url[i + 2]));
      i += 2;
    } else {
      path += file_url[i];
    }
  }
  return path;
}

}  // namespace hubrev
