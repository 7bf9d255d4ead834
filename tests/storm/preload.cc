// Kills the process that it is preloaded into at a chosen system call, as a crash would: with
// SIGKILL, before the call, after it, or with a part of its bytes written. The program under test
// knows nothing of it.
//
// An event is a call that changes or reads something below the spool, or that speaks to a server.
//
//   STORM_SPOOL  the spool; paths below it count
//   STORM_NOTE   the file that gets one line for the event that kills
//   STORM_TRACE  the file that gets one line for every event
//   STORM_KILL   OP, GLOB, NTH, WHEN and PERMILLE, separated by tabs: the NTH (from 1) call of that
//                kind whose subject matches the pattern; WHEN is before, after or middle; of a
//                write or send in the middle, PERMILLE of its bytes are let through
//
// Lines are fields separated by tabs: OP SUBJECT REQUEST ANSWERED WHEN. SUBJECT is a path, with
// "#state" at its end where a job's record is written; for sockets it is the request, e.g.
// "PUT /a/b". REQUEST is the thread's last one, ANSWERED whether bytes of its answer were read.
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <string_view>

namespace {

constexpr std::size_t kMaxDescriptors = 65536;

enum class When { kBefore, kAfter, kMiddle };

// What is to happen, read from the environment once.
struct Plan {
  std::string spool;
  std::string note;
  std::string trace;
  std::string op;
  std::string glob;
  std::uint64_t nth = 0;
  When when = When::kBefore;
  std::uint64_t permille = 0;
};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Plan read_plan() {
  Plan plan{variable("STORM_SPOOL"), variable("STORM_NOTE"), variable("STORM_TRACE"), "", ""};
  std::istringstream kill(variable("STORM_KILL"));
  std::string when;
  std::getline(kill, plan.op, '\t');
  std::getline(kill, plan.glob, '\t');
  kill >> plan.nth >> when >> plan.permille;
  if (when == "after") plan.when = When::kAfter;
  if (when == "middle") plan.when = When::kMiddle;
  return plan;
}

const Plan& plan() {
  static const Plan instance = read_plan();
  return instance;
}

std::atomic<std::uint64_t> matches{0};
std::array<std::atomic<bool>, kMaxDescriptors> connected{};  // by descriptor: speaks to a server

// Of this thread. Plain arrays: calls come in before constructors ran and after destructors did.
thread_local std::array<char, 512> request{};  // e.g. "PUT /a/b"; "" before the first
thread_local bool answered = true;
thread_local std::array<char, 32> record_state{};  // of the record written last

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

template <std::size_t kSize>
void assign(std::array<char, kSize>& target, std::string_view text) {
  text = text.substr(0, kSize - 1);
  std::memcpy(target.data(), text.data(), text.size());
  target.at(text.size()) = '\0';
}

void append_line(const std::string& file, std::string_view op, const std::string& subject,
                 const char* when) {
  if (file.empty()) return;
  static const auto real_open = next<int (*)(const char*, int, ...)>("open");
  static const auto real_write = next<ssize_t (*)(int, const void*, std::size_t)>("write");
  const std::string line = std::string(op) + "\t" + subject + "\t" + request.data() + "\t" +
                           (answered ? "1" : "0") + "\t" + when + "\n";
  const int fd = real_open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return;
  (void)!real_write(fd, line.data(), line.size());
  ::close(fd);
}

const char* name_of(When when) {
  return when == When::kBefore ? "before" : when == When::kAfter ? "after" : "middle";
}

[[noreturn]] void die(std::string_view op, const std::string& subject) {
  append_line(plan().note, op, subject, name_of(plan().when));
  (void)::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

bool below_spool(const std::string& path) {
  const std::string& spool = plan().spool;
  return !spool.empty() && path.starts_with(spool + "/");
}

// Whether this is the event to die at.
bool is_chosen(std::string_view op, const std::string& subject) {
  const int error = errno;
  append_line(plan().trace, op, subject, "");
  errno = error;
  return plan().nth != 0 && op == plan().op &&
         ::fnmatch(plan().glob.c_str(), subject.c_str(), 0) == 0 && ++matches == plan().nth;
}

// Makes the call, and dies before or after it if it is the chosen one.
template <typename Call>
auto around(std::string_view op, const std::string& subject, Call call) {
  const bool chosen = is_chosen(op, subject);
  if (chosen && plan().when == When::kBefore) die(op, subject);
  auto result = call();
  if (chosen) die(op, subject);
  return result;
}

// The same for a call that transfers bytes: `call` takes how many.
template <typename Call>
ssize_t around_transfer(std::string_view op, const std::string& subject, std::size_t size,
                        Call call) {
  const bool chosen = is_chosen(op, subject);
  if (chosen && plan().when == When::kBefore) die(op, subject);
  const bool cut = chosen && plan().when == When::kMiddle;
  const ssize_t result = call(cut ? size * plan().permille / 1000 : size);
  if (chosen) die(op, subject);
  return result;
}

std::string path_of(int fd) {
  std::array<char, PATH_MAX> path{};
  const ssize_t length =
      ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path.data(), path.size());
  return length < 0 ? "" : std::string(path.data(), static_cast<std::size_t>(length));
}

std::string path_at(int folder, const char* path) {
  if (path[0] == '/' || folder == AT_FDCWD) return path;
  return path_of(folder) + "/" + path;
}

bool is_record(std::string_view path) {
  return path.ends_with("/job.json") || path.ends_with("/job.json.tmp");
}

std::string file_subject(std::string path) {
  if (is_record(path) && record_state.front() != '\0')
    path += std::string("#") + record_state.data();
  return path;
}

void learn_state(const std::string& path, std::string_view bytes) {
  if (!is_record(path)) return;
  constexpr std::string_view kKey = "\"state\": \"";
  const std::size_t at = bytes.find(kKey);
  if (at == std::string_view::npos) return;
  const std::string_view rest = bytes.substr(at + kKey.size());
  assign(record_state, rest.substr(0, rest.find('"')));
}

bool speaks_to_server(int fd) {
  return fd >= 0 && static_cast<std::size_t>(fd) < kMaxDescriptors &&
         connected.at(static_cast<std::size_t>(fd));
}

// The bytes that go out: a request's first ones name it.
void learn_request(std::string_view bytes) {
  for (const std::string_view method : {"GET ", "POST ", "PUT ", "HEAD ", "DELETE "}) {
    if (!bytes.starts_with(method)) continue;
    const std::string_view line = bytes.substr(0, bytes.find('\r'));
    if (!line.ends_with(" HTTP/1.1")) continue;
    assign(request, line.substr(0, line.find_first_of("? ", method.size())));
  }
  answered = false;
}

bool creates(int flags) {
  return (flags & (O_CREAT | O_TRUNC)) != 0;
}

template <typename Call>
int around_open(const std::string& path, int flags, Call call) {
  // Of a record, the write that follows is the event: it tells the state.
  if (!creates(flags) || !below_spool(path) || is_record(path)) return call();
  return around("create", path, call);
}

template <typename Call>
ssize_t around_write(int fd, std::string_view bytes, Call call) {
  const std::string path = path_of(fd);
  if (!below_spool(path)) return call(bytes.size());
  learn_state(path, bytes);
  return around_transfer("write", file_subject(path), bytes.size(), call);
}

template <typename Call>
ssize_t around_read(int fd, Call call) {
  const std::string path = path_of(fd);
  if (!below_spool(path)) return call();
  return around("read", path, call);
}

template <typename Call>
int around_path(std::string_view op, const std::string& path, Call call) {
  if (!below_spool(path)) return call();
  return around(op, file_subject(path), call);
}

template <typename Call>
int around_fsync(int fd, Call call) {
  return around_path("fsync", path_of(fd), call);
}

mode_t mode_of(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the C library's names
extern "C" {

#define STORM_OPEN(NAME)                                                      \
  int NAME(const char* path, int flags, ...) {                                \
    static const auto real = next<int (*)(const char*, int, ...)>(#NAME);     \
    va_list arguments;                                                        \
    va_start(arguments, flags);                                               \
    const mode_t mode = mode_of(flags, arguments);                            \
    va_end(arguments);                                                        \
    return around_open(path, flags, [&] { return real(path, flags, mode); }); \
  }
STORM_OPEN(open)
STORM_OPEN(open64)
#undef STORM_OPEN

#define STORM_OPENAT(NAME)                                                     \
  int NAME(int folder, const char* path, int flags, ...) {                     \
    static const auto real = next<int (*)(int, const char*, int, ...)>(#NAME); \
    va_list arguments;                                                         \
    va_start(arguments, flags);                                                \
    const mode_t mode = mode_of(flags, arguments);                             \
    va_end(arguments);                                                         \
    return around_open(path_at(folder, path), flags,                           \
                       [&] { return real(folder, path, flags, mode); });       \
  }
STORM_OPENAT(openat)
STORM_OPENAT(openat64)
#undef STORM_OPENAT

#define STORM_PWRITE(NAME)                                                                   \
  ssize_t NAME(int fd, const void* bytes, std::size_t size, off_t offset) {                  \
    static const auto real = next<ssize_t (*)(int, const void*, std::size_t, off_t)>(#NAME); \
    return around_write(fd, {static_cast<const char*>(bytes), size},                         \
                        [&](std::size_t part) { return real(fd, bytes, part, offset); });    \
  }
STORM_PWRITE(pwrite)
STORM_PWRITE(pwrite64)
#undef STORM_PWRITE

#define STORM_PREAD(NAME)                                                              \
  ssize_t NAME(int fd, void* bytes, std::size_t size, off_t offset) {                  \
    static const auto real = next<ssize_t (*)(int, void*, std::size_t, off_t)>(#NAME); \
    return around_read(fd, [&] { return real(fd, bytes, size, offset); });             \
  }
STORM_PREAD(pread)
STORM_PREAD(pread64)
#undef STORM_PREAD

ssize_t write(int fd, const void* bytes, std::size_t size) {
  static const auto real = next<ssize_t (*)(int, const void*, std::size_t)>("write");
  return around_write(fd, {static_cast<const char*>(bytes), size},
                      [&](std::size_t part) { return real(fd, bytes, part); });
}

ssize_t read(int fd, void* bytes, std::size_t size) {
  static const auto real = next<ssize_t (*)(int, void*, std::size_t)>("read");
  return around_read(fd, [&] { return real(fd, bytes, size); });
}

int mkdir(const char* path, mode_t mode) {
  static const auto real = next<int (*)(const char*, mode_t)>("mkdir");
  return around_path("mkdir", path, [&] { return real(path, mode); });
}

int link(const char* from, const char* to) {
  static const auto real = next<int (*)(const char*, const char*)>("link");
  return around_path("link", to, [&] { return real(from, to); });
}

int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) {
  static const auto real = next<int (*)(int, const char*, int, const char*, int)>("linkat");
  return around_path("link", path_at(to_folder, to),
                     [&] { return real(from_folder, from, to_folder, to, flags); });
}

int rename(const char* from, const char* to) {
  static const auto real = next<int (*)(const char*, const char*)>("rename");
  return around_path("rename", to, [&] { return real(from, to); });
}

int unlink(const char* path) {
  static const auto real = next<int (*)(const char*)>("unlink");
  return around_path("unlink", path, [&] { return real(path); });
}

int unlinkat(int folder, const char* path, int flags) {
  static const auto real = next<int (*)(int, const char*, int)>("unlinkat");
  return around_path("unlink", path_at(folder, path), [&] { return real(folder, path, flags); });
}

int rmdir(const char* path) {
  static const auto real = next<int (*)(const char*)>("rmdir");
  return around_path("unlink", path, [&] { return real(path); });
}

int fsync(int fd) {
  static const auto real = next<int (*)(int)>("fsync");
  return around_fsync(fd, [&] { return real(fd); });
}

int fdatasync(int fd) {
  static const auto real = next<int (*)(int)>("fdatasync");
  return around_fsync(fd, [&] { return real(fd); });
}

int connect(int fd, const sockaddr* address, socklen_t length) {
  static const auto real = next<int (*)(int, const sockaddr*, socklen_t)>("connect");
  if (address->sa_family != AF_INET && address->sa_family != AF_INET6) {
    return real(fd, address, length);
  }
  if (fd >= 0 && static_cast<std::size_t>(fd) < kMaxDescriptors) {
    connected.at(static_cast<std::size_t>(fd)) = true;
  }
  return around("connect", "server", [&] { return real(fd, address, length); });
}

int close(int fd) {
  static const auto real = next<int (*)(int)>("close");
  if (speaks_to_server(fd)) connected.at(static_cast<std::size_t>(fd)) = false;
  return real(fd);
}

ssize_t send(int fd, const void* bytes, std::size_t size, int flags) {
  static const auto real = next<ssize_t (*)(int, const void*, std::size_t, int)>("send");
  if (!speaks_to_server(fd)) return real(fd, bytes, size, flags);
  learn_request({static_cast<const char*>(bytes), size});
  return around_transfer("send", request.data(), size,
                         [&](std::size_t part) { return real(fd, bytes, part, flags); });
}

// An event only once there is something: the client asks time and again.
ssize_t recv(int fd, void* bytes, std::size_t size, int flags) {
  static const auto real = next<ssize_t (*)(int, void*, std::size_t, int)>("recv");
  const ssize_t got = real(fd, bytes, size, flags);
  if (got <= 0 || !speaks_to_server(fd)) return got;
  (void)around("recv", request.data(), [] { return 0; });
  answered = true;
  return got;
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)
