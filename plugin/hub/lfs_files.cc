#include "plugin/hub/lfs_files.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include "plugin/hub/hub_answer.h"
#include "plugin/hub/hub_request.h"

namespace hubrev {
namespace {

using nlohmann::json;

// What a server that never ends its list is allowed; a page holds some hundred files.
constexpr int kMaxPages = 10'000;

// The target of `<...>; rel="next"` in a Link header; "" when there is none.
std::string_view next_link(std::string_view header) {
  while (!header.empty()) {
    const std::size_t open = header.find('<');
    const std::size_t close = header.find('>', open);
    if (open == std::string_view::npos || close == std::string_view::npos) return {};
    const std::string_view target = header.substr(open + 1, close - open - 1);
    header.remove_prefix(close + 1);
    const std::size_t end = std::min(header.find('<'), header.size());
    if (header.substr(0, end).find("rel=\"next\"") != std::string_view::npos) return target;
    header.remove_prefix(end);
  }
  return {};
}

// Its path below "/api"; "" when it has none.
std::string api_path(std::string_view url) {
  constexpr std::string_view kApi = "/api/";
  const std::size_t at = url.find(kApi);
  if (at == std::string_view::npos) return "";
  return std::string(url.substr(at + kApi.size() - 1));
}

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
  const std::string_view part = text.substr(at, count);
  if (part.size() != count || part.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  int value = 0;
  std::from_chars(part.data(), part.data() + part.size(), value);
  return value;
}

// "2026-01-31T12:00:00.000Z" in unix milliseconds, to the second; nullopt for anything else.
std::optional<std::int64_t> parse_time(std::string_view text) {
  using namespace std::chrono;
  if (text.size() < 20 || !text.ends_with('Z')) return std::nullopt;
  if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  const auto years = digits(text, 0, 4);
  const auto months = digits(text, 5, 2);
  const auto days = digits(text, 8, 2);
  const auto hour = digits(text, 11, 2);
  const auto minute = digits(text, 14, 2);
  const auto second = digits(text, 17, 2);
  if (!years || !months || !days || !hour || !minute || !second) return std::nullopt;
  const year_month_day date(year(*years), month(static_cast<unsigned>(*months)),
                            day(static_cast<unsigned>(*days)));
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const auto time = sys_days(date) + hours(*hour) + minutes(*minute) + seconds(*second);
  return duration_cast<milliseconds>(time.time_since_epoch()).count();
}

std::optional<StoredLfsFile> read_file(const json& item) {
  const auto oid = Sha256::from_hex(text_member(item, "fileOid"));
  if (!oid) return std::nullopt;
  StoredLfsFile file;
  file.oid = *oid;
  if (const json* size = member(item, "size", json::value_t::number_unsigned)) {
    file.size = size->get<std::uint64_t>();
  }
  file.pushed_ms = parse_time(text_member(item, "pushedAt"));
  return file;
}

}  // namespace

Result<std::optional<std::vector<StoredLfsFile>>> list_lfs_files(const HubConnection& connection,
                                                                 const std::string& repo_id,
                                                                 const std::stop_token& stop) {
  const std::string what = "listing the stored files of " + repo_id;
  std::vector<StoredLfsFile> files;
  std::string path = model_path(repo_id) + "/lfs-files";
  for (int page = 0; page < kMaxPages && !path.empty(); ++page) {
    HUBREV_TRY(const HttpResponse response,
               call_hub(connection, api_request(connection, "GET", path), what, stop));
    if (has_no_route(response)) return std::optional<std::vector<StoredLfsFile>>();
    if (!is_success(response)) return refusal(connection, response, repo_id, what);
    const json answer = parse_answer(response);
    if (!answer.is_array()) return not_a_hub(connection, what);
    for (const json& item : answer) {
      if (auto file = read_file(item)) files.push_back(*file);
    }
    path = api_path(next_link(response.header("link")));
  }
  return std::optional(std::move(files));
}

Status delete_lfs_files(const HubConnection& connection, const std::string& repo_id,
                        const std::vector<Sha256>& oids, const std::stop_token& stop) {
  const std::string what = "deleting stored files of " + repo_id;
  HUBREV_CHECK(require_token(connection));
  json shas = json::array();
  for (const Sha256& oid : oids) shas.push_back(oid.hex());
  // Rewriting history would move every branch, and so every revision.
  const json body = {{"deletions", {{"sha", std::move(shas)}, {"rewriteHistory", false}}}};
  const HttpRequest request = json_post(connection, model_path(repo_id) + "/lfs-files/batch", body);
  HUBREV_TRY(const HttpResponse response, call_hub(connection, request, what, stop));
  if (is_success(response)) return {};
  return refusal(connection, response, repo_id, what);
}

}  // namespace hubrev
