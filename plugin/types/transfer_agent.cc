#include "plugin/types/transfer_agent.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace hubrev {
namespace {

using nlohmann::json;

bool is_transfer_name(const std::string& name) {
  const auto plain = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
  };
  return !name.empty() && std::all_of(name.begin(), name.end(), plain) && name != "basic" &&
         name != "multipart";
}

Status check_agent(const TransferAgent& agent, const std::vector<TransferAgent>& before,
                   std::size_t count) {
  const auto wrong = [&](const char* why) {
    return make_error(ErrorKind::kConfig, "'transfer_agents': '" + agent.name + "' " + why);
  };
  if (!is_transfer_name(agent.name)) {
    return wrong(
        "cannot be the name of one: letters, digits, '.', '_' and '-', and not 'basic' or "
        "'multipart'");
  }
  const bool taken = std::any_of(before.begin(), before.end(), [&](const TransferAgent& other) {
    return other.name == agent.name;
  });
  if (taken) return wrong("is there twice");
  if (agent.command.empty() || agent.command.front().empty()) {
    return wrong("has no 'command': give the program and its arguments");
  }
  if (agent.standalone && count > 1) {
    return wrong("is standalone and gets every object, so it must be the only one");
  }
  return {};
}

}  // namespace

Result<std::vector<TransferAgent>> parse_transfer_agents(const json& items, const json& rules) {
  std::vector<TransferAgent> agents;
  for (const json& item : items) {
    const auto value = [&](const char* key) { return item.value(key, rules[key]["default"]); };
    const double seconds = value("stall_timeout").get<double>();
    TransferAgent agent{item.at("name").get<std::string>(),
                        item.at("command").get<std::vector<std::string>>(),
                        value("concurrent").get<bool>(),
                        value("standalone").get<bool>(),
                        value("keep_token").get<bool>(),
                        std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000))};
    HUBREV_CHECK(check_agent(agent, agents, items.size()));
    agents.push_back(std::move(agent));
  }
  return agents;
}

}  // namespace hubrev
