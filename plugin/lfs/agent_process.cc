#include "plugin/lfs/agent_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "plugin/base/utf8.h"
#include "plugin/lfs/agent_messages.h"

namespace hubrev {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kLongestLine = 1 << 20;  // bytes; what is longer is no message of an agent
constexpr std::size_t kLongestWords = 300;     // bytes of its errors in a message of ours
constexpr milliseconds kHurry{500};            // for an agent that has failed, or is not wanted
constexpr milliseconds kTerminating{2000};     // from SIGTERM to SIGKILL
constexpr int kLook = 10;                      // milliseconds between looks at a process that ends

// Ends a poll() as soon as a stop is requested.
class StopAlarm {
 public:
  explicit StopAlarm(const std::stop_token& stop)
      : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), callback_(stop, Ring{fd_.get()}) {}
  int fd() const { return fd_.get(); }

 private:
  struct Ring {
    int fd;
    void operator()() const noexcept { (void)::eventfd_write(fd, 1); }
  };
  Fd fd_;
  std::stop_callback<Ring> callback_;
};

// What it brings, "" at the end. Called when poll() has said that there is something.
std::string read_available(const Fd& fd) {
  std::array<char, 16384> buffer{};
  ssize_t got = 0;
  do {
    got = ::read(fd.get(), buffer.data(), buffer.size());
  } while (got < 0 && errno == EINTR);
  return got > 0 ? std::string(buffer.data(), static_cast<std::size_t>(got)) : std::string();
}

// The first line of `text`, taken from it without its end.
std::optional<std::string> take_line(std::string& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string::npos) return std::nullopt;
  std::string line = text.substr(0, end);
  text.erase(0, end + 1);
  return line;
}

bool is_readable(const pollfd& one) {
  return (one.revents & (POLLIN | POLLHUP | POLLERR)) != 0;
}

}  // namespace

Result<std::unique_ptr<AgentProcess>> AgentProcess::start(
    const TransferAgent& agent, const AgentContext& context,
    const std::vector<std::string>& environment, std::size_t transfers,
    const std::stop_token& stop) {
  auto child = ChildProcess::spawn(agent.command, environment);
  if (!child.ok()) {
    Error error = with_context(std::move(child).error(), "transfer agent '" + agent.name + "'");
    error.message += "; 'command' in 'transfer_agents' is a program on PATH and its arguments";
    return error;
  }
  std::unique_ptr<AgentProcess> process(new AgentProcess(agent, context, std::move(child).value()));
  process->to_send_ = agent_init(context.remote, agent.concurrent, transfers);
  auto line = process->next_line(stop);
  if (!line.ok()) return process->failure(std::move(line).error());
  if (auto ready = parse_agent_ready(*line); !ready.ok()) {
    return process->failure(std::move(ready).error());
  }
  return process;
}

AgentProcess::AgentProcess(const TransferAgent& agent, const AgentContext& context,
                           ChildProcess child)
    : agent_(agent), context_(context), child_(std::move(child)) {}

AgentProcess::~AgentProcess() {
  end(kHurry, {});
}

Status AgentProcess::upload(const LfsPointer& object, const std::string& path,
                            const std::string& action, Progress& progress,
                            const std::stop_token& stop) {
  hide(action);
  to_send_ += agent_upload(object, path, action);
  Status carried = carry(object, progress, stop);
  if (!carried.ok()) return failure(std::move(carried).error());
  return carried;
}

Status AgentProcess::carry(const LfsPointer& object, Progress& progress,
                           const std::stop_token& stop) {
  std::uint64_t counted = 0;
  for (;;) {
    HUBREV_TRY(const std::string line, next_line(stop));
    auto report = parse_agent_report(line, object.oid);
    if (!report.ok()) {
      usable_ = false;
      return std::move(report).error();
    }
    if (report->error) return *std::move(report->error);
    const std::uint64_t done =
        report->complete ? object.size : std::min(report->bytes_so_far, object.size);
    if (done > counted) progress.bytes_sent += done - std::exchange(counted, done);
    if (report->complete) return {};
  }
}

Result<std::string> AgentProcess::next_line(const std::stop_token& stop) {
  auto line = read_line(stop);
  if (!line.ok()) usable_ = false;
  return line;
}

Result<std::string> AgentProcess::read_line(const std::stop_token& stop) {
  const StopAlarm alarm(stop);
  for (;;) {
    if (auto line = take_line(received_)) return *std::move(line);
    if (received_.size() > kLongestLine) {
      return make_error(ErrorKind::kRejected, "wrote a line of more than 1 MiB");
    }
    if (!output_open_) {
      end(kHurry, {});
      return make_error(ErrorKind::kNetwork, "ended (" + how_it_ended_ + ") without an answer");
    }
    std::array<pollfd, 4> all = {{{child_.output().get(), POLLIN, 0},
                                  {errors_open_ ? child_.errors().get() : -1, POLLIN, 0},
                                  {to_send_.empty() ? -1 : child_.input().get(), POLLOUT, 0},
                                  {alarm.fd(), POLLIN, 0}}};
    const int ready =
        ::poll(all.data(), all.size(), static_cast<int>(agent_.stall_timeout.count()));
    if (stop.stop_requested()) return make_error(ErrorKind::kCancelled, "cancelled");
    if (ready == 0) {
      const auto seconds = std::chrono::floor<std::chrono::seconds>(agent_.stall_timeout);
      return make_error(ErrorKind::kTimeout, "said nothing for " + std::to_string(seconds.count()) +
                                                 " s ('stall_timeout')");
    }
    if (ready < 0) continue;  // a signal
    if (is_readable(all[1])) read_errors();
    if (is_readable(all[0])) read_output();
    if ((all[2].revents & (POLLOUT | POLLERR)) != 0) {
      to_send_.erase(0, child_.write_some(to_send_));
    }
  }
}

void AgentProcess::read_output() {
  const std::string got = read_available(child_.output());
  output_open_ = !got.empty();
  received_ += got;
}

// Its errors are for the log, line by line, however long or short the pieces are that come.
void AgentProcess::read_errors() {
  const std::string got = read_available(child_.errors());
  errors_open_ = !got.empty();
  said_ += got;
  if ((!errors_open_ && !said_.empty()) || said_.size() > kLongestLine) said_ += '\n';
  while (auto line = take_line(said_)) {
    if (line->empty()) continue;
    last_words_ = hidden_.redacted(shown_text(*line));
    if (context_.log) context_.log("transfer agent '" + agent_.name + "': " + last_words_);
  }
}

void AgentProcess::dismiss() {
  // An agent in the middle of something does not look; to it the end of its input is the sign.
  if (!std::exchange(dismissed_, true) && to_send_.empty()) child_.write_some(agent_terminate());
  child_.close_input();
  usable_ = false;
}

bool AgentProcess::ends_within(milliseconds patience, const std::stop_token& stop) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!child_.has_ended()) {
    if (std::chrono::steady_clock::now() > deadline || stop.stop_requested()) return false;
    // Read on, or it might wait for us to.
    std::array<pollfd, 2> all = {{{output_open_ ? child_.output().get() : -1, POLLIN, 0},
                                  {errors_open_ ? child_.errors().get() : -1, POLLIN, 0}}};
    if (::poll(all.data(), all.size(), kLook) <= 0) continue;
    if (is_readable(all[1])) read_errors();
    if (is_readable(all[0])) {
      read_output();
      received_.clear();
    }
  }
  return true;
}

void AgentProcess::end(milliseconds patience, const std::stop_token& stop) {
  if (ended_) return;
  ended_ = true;
  dismiss();
  if (!ends_within(patience, stop)) {
    child_.signal(SIGTERM);
    if (!ends_within(kTerminating, {})) child_.signal(SIGKILL);
  }
  how_it_ended_ = child_.reap();
  pollfd rest{child_.errors().get(), POLLIN, 0};
  while (errors_open_ && ::poll(&rest, 1, 0) > 0) read_errors();
}

// The values of headers, and what an address has behind '?', are as good as passwords.
void AgentProcess::hide(const std::string& action) {
  const nlohmann::json all = nlohmann::json::parse(action);
  if (!all.is_object()) return;
  if (const auto header = all.find("header"); header != all.end() && header->is_object()) {
    for (const auto& [name, value] : header->items()) {
      if (value.is_string()) hidden_.redact(Secret(value.get<std::string>()));
    }
  }
  if (const auto href = all.find("href"); href != all.end() && href->is_string()) {
    const std::string address = href->get<std::string>();
    const std::size_t query = address.find('?');
    if (query != std::string::npos) hidden_.redact(Secret(address.substr(query + 1)));
  }
}

Error AgentProcess::failure(Error error) const {
  if (error.kind == ErrorKind::kCancelled) return error;
  error.message = "transfer agent '" + agent_.name + "' " + hidden_.redacted(error.message);
  if (!last_words_.empty()) {
    error.message += "; it wrote: " + shown_text(last_words_, kLongestWords);
  }
  return error;
}

}  // namespace hubrev
