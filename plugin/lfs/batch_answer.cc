#include "plugin/lfs/batch_answer.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>

#include "plugin/base/utf8.h"
#include "plugin/types/json_read.h"

namespace hubrev {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestName = 100;                          // of the server's, in a message
constexpr std::int64_t kLongestLifetime = 10LL * 365 * 24 * 3600;  // seconds; above it is "never"

Error malformed(std::string_view what, const std::string& why) {
  return make_error(ErrorKind::kRejected, std::string(what) + ": " + why);
}

const json* find(const json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto at = object.find(key);
  return at == object.end() || at->is_null() ? nullptr : &*at;
}

std::string text_of(const json& object, const char* key) {
  const json* value = find(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7F; });
}

// The Hub names itself in the addresses it gives; behind a mirror they must lead back to the
// mirror.
Result<std::string> usable_url(std::string url, const LfsServer& server, std::string_view what) {
  for (const std::string_view own : {"https://huggingface.co", "https://hub-ci.huggingface.co"}) {
    const bool names_it =
        url.starts_with(own) && (url.size() == own.size() || url[own.size()] == '/');
    if (names_it && !server.endpoint.empty()) {
      url.replace(0, own.size(), server.endpoint);
      break;
    }
  }
  const bool is_http = url.starts_with("https://") || url.starts_with("http://");
  if (!is_http || has_control(url) || url.find(' ') != std::string::npos) {
    return malformed(what, "the LFS server gave no usable address for an object");
  }
  return url;
}

Result<HttpHeaders> parse_headers(const json& action, std::string_view what) {
  HttpHeaders headers;
  const json* header = find(action, "header");
  if (header == nullptr) return headers;
  if (!header->is_object()) return malformed(what, "the LFS server gave malformed headers");
  for (const auto& [name, value] : header->items()) {
    const std::string text = value.is_string()   ? value.get<std::string>()
                             : value.is_number() ? value.dump()
                                                 : "\n";
    const bool good_name = !name.empty() && name.find_first_of(" :") == std::string::npos;
    if (!good_name || has_control(name) || has_control(text)) {
      return malformed(what, "the LFS server asked for a malformed header");
    }
    headers.emplace_back(name, text);
  }
  return headers;
}

std::optional<std::int64_t> parse_expiry(const json& action, std::int64_t now_ms) {
  if (const json* in = find(action, "expires_in"); in != nullptr && in->is_number()) {
    const double seconds = in->get<double>();
    if (seconds > static_cast<double>(kLongestLifetime)) return std::nullopt;
    if (seconds > 0) return now_ms + static_cast<std::int64_t>(seconds * 1000);
  }
  return parse_rfc3339(text_of(action, "expires_at"));
}

Result<LfsAction> parse_action(const json& action, const LfsServer& server, std::string_view what,
                               std::int64_t now_ms) {
  LfsAction parsed;
  HUBREV_TRY(parsed.href, usable_url(text_of(action, "href"), server, what));
  HUBREV_TRY(parsed.headers, parse_headers(action, what));
  parsed.expires_ms = parse_expiry(action, now_ms);
  return parsed;
}

// The Hub's form: header "chunk_size" and one header per part, its number (all digits) the name and
// its address the value.
Result<MultipartUpload> parse_multipart(const HttpHeaders& headers, const LfsServer& server,
                                        std::uint64_t size, std::string_view what) {
  MultipartUpload multipart;
  std::map<std::uint64_t, std::string> urls;
  for (const auto& [name, value] : headers) {
    if (name == "chunk_size") {
      multipart.chunk_size = parse_number<std::uint64_t>(value).value_or(0);
    } else if (const auto number = parse_number<std::uint64_t>(name)) {
      HUBREV_TRY(urls[*number], usable_url(value, server, what));
    }
  }
  if (multipart.chunk_size == 0) {
    return malformed(what, "the LFS server gave no usable chunk_size for a multipart upload");
  }
  const std::uint64_t parts =
      size / multipart.chunk_size + (size % multipart.chunk_size != 0 ? 1 : 0);
  if (urls.size() != parts) {
    return malformed(what, "the LFS server gave " + std::to_string(urls.size()) +
                               " part addresses for " + std::to_string(parts) + " parts of " +
                               std::to_string(multipart.chunk_size) + " bytes");
  }
  for (auto& [number, url] : urls) multipart.part_urls.push_back(std::move(url));
  return multipart;
}

bool is_multipart(const LfsAction& upload) {
  return std::any_of(upload.headers.begin(), upload.headers.end(),
                     [](const auto& header) { return header.first == "chunk_size"; });
}

// The codes are HTTP statuses, and mean what they mean for a whole answer.
Error object_error(const json& error) {
  HttpResponse answer;
  if (const json* code = find(error, "code"); code != nullptr && code->is_number_integer()) {
    const auto status = code->get<std::int64_t>();
    if (status >= 400 && status <= 599) answer.status = static_cast<int>(status);
  }
  answer.body = json{{"message", text_of(error, "message")}}.dump();
  return error_from_response(answer, "this object");
}

// An agent and its server may have any form of address; it is theirs to understand.
Result<LfsAction> parse_agents_action(const json& action, std::string_view what,
                                      std::int64_t now_ms) {
  if (!action.is_object()) return malformed(what, "the LFS server gave a malformed action");
  LfsAction parsed;
  parsed.expires_ms = parse_expiry(action, now_ms);
  parsed.json = action.dump();
  return parsed;
}

bool is_authenticated(const json& object) {
  const json* authenticated = find(object, "authenticated");
  return authenticated != nullptr && *authenticated == true;
}

Result<UploadOffer> parse_offer(const json& object, const std::string& agent,
                                const LfsServer& server, std::uint64_t size, std::string_view what,
                                std::int64_t now_ms) {
  UploadOffer offer;
  if (const json* error = find(object, "error")) {
    offer.error = object_error(*error);
    return offer;
  }
  const json* actions = find(object, "actions");
  const json* upload = actions == nullptr ? nullptr : find(*actions, "upload");
  if (upload == nullptr) return offer;
  offer.authenticated = is_authenticated(object);
  if (!agent.empty()) {
    offer.agent = agent;
    HUBREV_TRY(offer.upload, parse_agents_action(*upload, what, now_ms));
  } else {
    HUBREV_TRY(offer.upload, parse_action(*upload, server, what, now_ms));
    if (is_multipart(*offer.upload)) {
      HUBREV_TRY(offer.multipart, parse_multipart(offer.upload->headers, server, size, what));
    }
  }
  if (const json* verify = find(*actions, "verify")) {
    HUBREV_TRY(offer.verify, parse_action(*verify, server, what, now_ms));
  }
  return offer;
}

bool is_offered(const std::string& transfer, const std::vector<std::string>& agents) {
  return std::find(agents.begin(), agents.end(), transfer) != agents.end();
}

Result<DownloadOffer> parse_download(const json& object, const LfsServer& server,
                                     std::string_view what, std::int64_t now_ms) {
  DownloadOffer offer;
  if (const json* error = find(object, "error")) {
    offer.error = object_error(*error);
    return offer;
  }
  const json* actions = find(object, "actions");
  const json* download = actions == nullptr ? nullptr : find(*actions, "download");
  if (download == nullptr) return offer;
  offer.authenticated = is_authenticated(object);
  HUBREV_TRY(offer.download, parse_action(*download, server, what, now_ms));
  return offer;
}

// `agents`: the transfers that were offered beside our own.
Status check_preamble(const json& answer, const std::vector<std::string>& agents,
                      std::string_view what) {
  if (!answer.is_object() || find(answer, "objects") == nullptr || !answer["objects"].is_array()) {
    return malformed(what, "the answer is not one of an LFS server");
  }
  const std::string transfer = text_of(answer, "transfer");
  const bool is_ours = transfer.empty() || transfer == "basic" || transfer == "multipart";
  if (!is_ours && !is_offered(transfer, agents)) {
    return malformed(what,
                     "the LFS server wants the transfer \"" + shown_text(transfer, kLongestName) +
                         "\", which was not offered: basic and multipart are spoken, others by "
                         "'transfer_agents'");
  }
  const std::string algorithm = text_of(answer, "hash_algo");
  if (!algorithm.empty() && algorithm != "sha256") {
    return malformed(what, "the LFS server wants the digest \"" +
                               shown_text(algorithm, kLongestName) +
                               "\", which was not offered; only sha256 is spoken");
  }
  return {};
}

// What the answer says about each object, in their order.
Result<std::vector<const json*>> in_order(const json& answer,
                                          const std::vector<LfsPointer>& objects,
                                          std::string_view what) {
  std::map<Sha256, const json*> by_oid;
  for (const json& object : answer["objects"]) {
    if (const auto oid = Sha256::from_hex(text_of(object, "oid"))) by_oid.emplace(*oid, &object);
  }
  std::vector<const json*> ordered;
  for (const LfsPointer& object : objects) {
    const auto found = by_oid.find(object.oid);
    if (found == by_oid.end()) {
      return malformed(what, "the LFS server's answer leaves out the object " + object.oid.hex());
    }
    ordered.push_back(found->second);
  }
  return ordered;
}

json described(const std::vector<LfsPointer>& objects) {
  json all = json::array();
  for (const LfsPointer& object : objects) {
    all.push_back({{"oid", object.oid.hex()}, {"size", object.size}});
  }
  return all;
}

std::string text(const json& body) {
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string batch_request_body(const LfsServer& server, const std::vector<LfsPointer>& objects) {
  json transfers = server.agents;
  for (const char* own : {"basic", "multipart"}) transfers.push_back(own);
  return text({{"operation", "upload"},
               {"transfers", std::move(transfers)},
               {"hash_algo", "sha256"},
               {"ref", {{"name", server.ref}}},
               {"objects", described(objects)}});
}

Result<std::vector<UploadOffer>> parse_batch_answer(std::string_view body, const LfsServer& server,
                                                    const std::vector<LfsPointer>& objects,
                                                    std::string_view what, std::int64_t now_ms) {
  const json answer = parse_json(body);
  HUBREV_CHECK(check_preamble(answer, server.agents, what));
  const std::string transfer = text_of(answer, "transfer");
  const std::string agent = is_offered(transfer, server.agents) ? transfer : "";
  HUBREV_TRY(const std::vector<const json*> ordered, in_order(answer, objects, what));
  std::vector<UploadOffer> offers;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    HUBREV_TRY(UploadOffer offer,
               parse_offer(*ordered[i], agent, server, objects[i].size, what, now_ms));
    offers.push_back(std::move(offer));
  }
  return offers;
}

std::string download_request_body(const LfsServer& server, const std::vector<LfsPointer>& objects) {
  json body = {{"operation", "download"},
               {"transfers", json::array({"basic"})},
               {"hash_algo", "sha256"},
               {"objects", described(objects)}};
  if (!server.ref.empty()) body["ref"]["name"] = server.ref;
  return text(body);
}

Result<std::vector<DownloadOffer>> parse_download_answer(std::string_view body,
                                                         const LfsServer& server,
                                                         const std::vector<LfsPointer>& objects,
                                                         std::string_view what,
                                                         std::int64_t now_ms) {
  const json answer = parse_json(body);
  HUBREV_CHECK(check_preamble(answer, {}, what));
  HUBREV_TRY(const std::vector<const json*> ordered, in_order(answer, objects, what));
  std::vector<DownloadOffer> offers;
  for (const json* object : ordered) {
    HUBREV_TRY(DownloadOffer offer, parse_download(*object, server, what, now_ms));
    offers.push_back(std::move(offer));
  }
  return offers;
}

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
  // "YYYY-MM-DDThh:mm:ss[.fraction](Z|+hh:mm|-hh:mm)"
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  const auto field = [&](std::size_t at, std::size_t length) {
    return parse_number<unsigned>(text.substr(at, length));
  };
  const auto year = field(0, 4), month = field(5, 2), day = field(8, 2);
  const auto hour = field(11, 2), minute = field(14, 2), second = field(17, 2);
  if (!year || !month || !day || !hour || !minute || !second || *year < 1970) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(*month), std::chrono::day(*day)};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  std::int64_t seconds = std::chrono::sys_days(date).time_since_epoch() / std::chrono::seconds(1);
  seconds += std::int64_t{*hour} * 3600 + std::int64_t{*minute} * 60 + *second;
  std::string_view zone = text.substr(19);
  if (zone.starts_with('.')) {
    zone.remove_prefix(std::min(zone.find_first_not_of("0123456789", 1), zone.size()));
  }
  if (zone == "Z" || zone == "z") return seconds * 1000;
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') return std::nullopt;
  const auto hours = parse_number<unsigned>(zone.substr(1, 2));
  const auto minutes = parse_number<unsigned>(zone.substr(4, 2));
  if (!hours || !minutes) return std::nullopt;
  const std::int64_t offset = std::int64_t{*hours} * 3600 + std::int64_t{*minutes} * 60;
  return (zone[0] == '+' ? seconds - offset : seconds + offset) * 1000;
}

}  // namespace hubrev
