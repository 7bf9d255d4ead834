#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plugin/base/result.h"

namespace hubrev {

// A program that carries LFS objects; an item of the setting 'transfer_agents'.
struct TransferAgent {
  std::string name;                  // of the transfer, as the server knows it
  std::vector<std::string> command;  // not empty
  bool concurrent = true;
  bool standalone = false;
  bool keep_token = false;
  std::chrono::milliseconds stall_timeout{0};
};

// The items, checked by `rules` of the schema already, with what the schema leaves open: names that
// no two of them share, and none that is spoken without an agent; a standalone one is alone.
Result<std::vector<TransferAgent>> parse_transfer_agents(const nlohmann::json& items,
                                                         const nlohmann::json& rules);

}  // namespace hubrev
