#include "plugin/lfs/transfer_agents.h"

#include <algorithm>
#include <utility>

#include "plugin/lfs/object_file.h"

namespace hubrev {
namespace {

constexpr std::chrono::seconds kFarewell{30};  // for an agent to clean up; git-lfs's

// Whatever name it has there: an agent must not come to a token by accident.
bool holds(const std::string& entry, const Secret& token) {
  constexpr std::size_t kShortestToken = 8;
  const bool by_name =
      entry.starts_with("HF_TOKEN=") || entry.starts_with("HUGGING_FACE_HUB_TOKEN=");
  return by_name || (token.reveal().size() >= kShortestToken &&
                     entry.find(token.reveal()) != std::string::npos);
}

std::vector<std::string> without_token(std::vector<std::string> environment, const Secret& token) {
  std::erase_if(environment, [&](const std::string& entry) { return holds(entry, token); });
  return environment;
}

}  // namespace

TransferAgents::TransferAgents(const AgentContext& context, const Secret& token,
                               std::size_t threads)
    : context_(context), threads_(threads) {
  for (const TransferAgent& agent : context.agents) {
    slots_[agent.name] = {
        &agent,
        agent.keep_token ? context.environment : without_token(context.environment, token),
        agent.concurrent ? threads : 1,
        {}};
  }
}

std::vector<std::string> TransferAgents::names() const {
  std::vector<std::string> names;
  for (const TransferAgent& agent : context_.agents) names.push_back(agent.name);
  return names;
}

const TransferAgent* TransferAgents::standalone() const {
  const auto found = std::find_if(context_.agents.begin(), context_.agents.end(),
                                  [](const TransferAgent& agent) { return agent.standalone; });
  return found == context_.agents.end() ? nullptr : &*found;
}

Status TransferAgents::upload(const std::string& agent, const LfsFile& file,
                              const LfsPointer& object, const std::string& action,
                              Progress& progress, const std::stop_token& stop) {
  Slots& slots = slots_.at(agent);
  HUBREV_TRY(std::unique_ptr<AgentProcess> process, take(slots, stop));
  const Status sent = [&]() -> Status {
    HUBREV_TRY(const ObjectFile bytes,
               ObjectFile::create(file, object.oid, context_.objects, stop));
    if (!process) {
      HUBREV_TRY(process,
                 AgentProcess::start(*slots.agent, context_, slots.environment, threads_, stop));
    }
    return process->upload(object, bytes.path(), action, progress, stop);
  }();
  give_back(slots, std::move(process));
  return sent;
}

Result<std::unique_ptr<AgentProcess>> TransferAgents::take(Slots& slots,
                                                           const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (!freed_.wait(lock, stop, [&] { return slots.free > 0; })) {
    return make_error(ErrorKind::kCancelled, "cancelled");
  }
  --slots.free;
  std::unique_ptr<AgentProcess> process;
  if (!slots.idle.empty()) {
    process = std::move(slots.idle.back());
    slots.idle.pop_back();
  }
  return process;
}

void TransferAgents::give_back(Slots& slots, std::unique_ptr<AgentProcess> process) {
  if (process && !process->usable()) process.reset();  // ends it before another takes its place
  const std::lock_guard lock(mutex_);
  if (process) slots.idle.push_back(std::move(process));
  ++slots.free;
  freed_.notify_all();
}

void TransferAgents::finish(const std::stop_token& stop) {
  const std::lock_guard lock(mutex_);
  for (auto& [name, slots] : slots_) {
    for (const auto& process : slots.idle) process->dismiss();
  }
  for (auto& [name, slots] : slots_) {
    for (const auto& process : slots.idle) process->end(kFarewell, stop);
    slots.idle.clear();
  }
}

}  // namespace hubrev
