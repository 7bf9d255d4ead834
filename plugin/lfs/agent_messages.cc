#include "plugin/lfs/agent_messages.h"

#include <nlohmann/json.hpp>

#include "plugin/base/utf8.h"
#include "plugin/net/http.h"
#include "plugin/types/json_read.h"

namespace hubrev {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestQuote = 200;  // bytes of an agent's words in a message

std::string line_of(const json& message) {
  return message.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

Error not_understood(std::string_view line) {
  return make_error(ErrorKind::kRejected, "said what is no answer of a transfer agent: " +
                                              shown_text(line, kLongestQuote));
}

std::string text_of(const json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : "";
}

// Agents choose their codes; those who carry over HTTP give its statuses. Of another code nothing
// is known, so it may be worth another try.
Error agent_error(const json& error) {
  const std::string message = error.is_object() ? text_of(error, "message") : "";
  const std::string words = shown_text(message.empty() ? error.dump() : message, kLongestQuote);
  if (error.is_object()) {
    const auto code = error.find("code");
    if (code != error.end() && code->is_number_integer() && *code >= 400 && *code <= 599) {
      HttpResponse answer;
      answer.status = code->get<int>();
      answer.body = json{{"message", words}}.dump();
      return error_from_response(answer, "reported");
    }
  }
  return make_error(ErrorKind::kServer, "reported: " + words);
}

std::optional<Error> error_in(const json& answer) {
  const auto error = answer.find("error");
  if (error == answer.end() || error->is_null()) return std::nullopt;
  return agent_error(*error);
}

}  // namespace

std::string agent_init(std::string_view remote, bool concurrent, std::size_t transfers) {
  return line_of({{"event", "init"},
                  {"operation", "upload"},
                  {"remote", remote},
                  {"concurrent", concurrent},
                  {"concurrenttransfers", transfers}});
}

std::string agent_upload(const LfsPointer& object, std::string_view path, std::string_view action) {
  return line_of({{"event", "upload"},
                  {"oid", object.oid.hex()},
                  {"size", object.size},
                  {"path", path},
                  {"action", json::parse(action)}});
}

std::string agent_terminate() {
  return line_of({{"event", "terminate"}});
}

Status parse_agent_ready(std::string_view line) {
  const json answer = parse_json(line);
  if (!answer.is_object()) return not_understood(line);
  if (auto error = error_in(answer)) return *std::move(error);
  return {};
}

Result<AgentReport> parse_agent_report(std::string_view line, const Sha256& oid) {
  const json answer = parse_json(line);
  if (!answer.is_object()) return not_understood(line);
  const std::string event = text_of(answer, "event");
  if (text_of(answer, "oid") != oid.hex()) return not_understood(line);
  AgentReport report;
  if (event == "complete") {
    report.complete = true;
    report.error = error_in(answer);
    return report;
  }
  if (event != "progress") return not_understood(line);
  const auto so_far = answer.find("bytesSoFar");
  if (so_far != answer.end() && so_far->is_number_unsigned()) {
    report.bytes_so_far = so_far->get<std::uint64_t>();
  }
  return report;
}

}  // namespace hubrev
