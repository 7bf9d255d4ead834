#include "plugin/base/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

namespace hubrev {
namespace {

struct Pipe {
  Fd read;
  Fd write;
};

// Where this process was started without some of the standard streams, a pipe may get their
// numbers, which the child's streams are about to take.
Fd above_streams(Fd fd) {
  return fd.get() > STDERR_FILENO ? std::move(fd)
                                  : Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error(errno, "cannot make a pipe");
  Pipe pipe{above_streams(Fd(ends[0])), above_streams(Fd(ends[1]))};
  if (!pipe.read || !pipe.write) return errno_error(errno, "cannot make a pipe");
  return pipe;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> all;
  // execve() takes them as not const, and changes nothing.
  for (const std::string& text : texts) all.push_back(const_cast<char*>(text.c_str()));
  all.push_back(nullptr);
  return all;
}

// What the child begins with: our pipes as its streams, no signal blocked, and none ignored that a
// program expects not to be (Python ignores SIGPIPE, and a shell's background jobs SIGINT).
class SpawnOptions {
 public:
  SpawnOptions(const Fd& input, const Fd& output, const Fd& errors) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_adddup2(&actions_, input.get(), STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, output.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, errors.get(), STDERR_FILENO);
    ::posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t usual;
    ::sigemptyset(&none);
    ::sigemptyset(&usual);
    for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGCHLD}) {
      ::sigaddset(&usual, number);
    }
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &usual);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnOptions() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnOptions(const SpawnOptions&) = delete;
  SpawnOptions& operator=(const SpawnOptions&) = delete;

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

// Keeps SIGPIPE from this thread, and takes the one that a write has caused.
class NoSigpipe {
 public:
  NoSigpipe() {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    was_pending_ = ::sigpending(&pending) == 0 && ::sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoSigpipe() {
    const timespec now{};
    if (!was_pending_) {
      while (::sigtimedwait(&pipe_, nullptr, &now) < 0 && errno == EINTR) {
      }
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

 private:
  sigset_t pipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

}  // namespace

Result<ChildProcess> ChildProcess::spawn(const std::vector<std::string>& command,
                                         const std::vector<std::string>& environment) {
  HUBREV_TRY(Pipe input, make_pipe());
  HUBREV_TRY(Pipe output, make_pipe());
  HUBREV_TRY(Pipe errors, make_pipe());
  ::fcntl(input.write.get(), F_SETFL, O_NONBLOCK);
  const SpawnOptions options(input.read, output.write, errors.write);
  pid_t pid = -1;
  const int failed =
      ::posix_spawnp(&pid, command.front().c_str(), options.actions(), options.attributes(),
                     pointers(command).data(), pointers(environment).data());
  if (failed != 0) {
    return make_error(ErrorKind::kConfig,
                      "cannot start '" + command.front() + "': " + std::strerror(failed));
  }
  return ChildProcess(pid, std::move(input.write), std::move(output.read), std::move(errors.read));
}

ChildProcess::ChildProcess(pid_t pid, Fd input, Fd output, Fd errors)
    : pid_(pid), input_(std::move(input)), output_(std::move(output)), errors_(std::move(errors)) {}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      input_(std::move(other.input_)),
      output_(std::move(other.output_)),
      errors_(std::move(other.errors_)) {}

ChildProcess::~ChildProcess() {
  if (!has_ended()) signal(SIGKILL);
  reap();
}

std::size_t ChildProcess::write_some(std::string_view bytes) {
  if (!input_) return bytes.size();
  const NoSigpipe guard;
  const ssize_t put = ::write(input_.get(), bytes.data(), bytes.size());
  if (put >= 0) return static_cast<std::size_t>(put);
  if (errno == EAGAIN || errno == EINTR) return 0;
  close_input();
  return bytes.size();
}

// It stays a zombie, and so its number its own, until it is reaped.
bool ChildProcess::has_ended() const {
  if (pid_ < 0) return true;
  siginfo_t info{};
  const int done = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT | WNOHANG);
  // Somebody else of this process may have waited for it (ECHILD).
  return done != 0 || info.si_pid == pid_;
}

void ChildProcess::signal(int number) const {
  if (pid_ > 0) ::kill(-pid_, number);
}

std::string ChildProcess::reap() {
  if (pid_ < 0) return "";
  close_input();
  siginfo_t info{};
  int waited = 0;
  do {
    waited = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
  } while (waited != 0 && errno == EINTR);
  if (waited != 0) {
    pid_ = -1;
    return "an unknown exit status";
  }
  signal(SIGKILL);  // what it has started
  ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED);
  pid_ = -1;
  return (info.si_code == CLD_EXITED ? "exit status " : "signal ") + std::to_string(info.si_status);
}

}  // namespace hubrev
