#pragma once
// What is said to a transfer agent and what it says, as pure functions: JSON, one object a line.
// Source: git-lfs docs/custom-transfers.md; "remote" in the first message is in git-lfs's
// tq/custom.go. Private to this layer.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "plugin/base/result.h"
#include "plugin/lfs/pointer.h"

namespace hubrev {

// `transfers` is how many the worker has on their way at once.
std::string agent_init(std::string_view remote, bool concurrent, std::size_t transfers);
// `action` is JSON, word for word the server's; "null" where no server was asked.
std::string agent_upload(const LfsPointer& object, std::string_view path, std::string_view action);
std::string agent_terminate();

// How far an upload is, or that it has ended.
struct AgentReport {
  bool complete = false;
  std::uint64_t bytes_so_far = 0;  // of a progress
  std::optional<Error> error;      // the agent's own words; names neither agent nor file
};

// The answer to agent_init(); an error is the agent's own, or kRejected where it is none.
Status parse_agent_ready(std::string_view line);
// kRejected where the line is no report on that object.
Result<AgentReport> parse_agent_report(std::string_view line, const Sha256& oid);

}  // namespace hubrev
