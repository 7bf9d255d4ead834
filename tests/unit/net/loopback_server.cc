#include "tests/unit/net/loopback_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace hubrev::testing {
namespace {

struct SslDeleter {
  void operator()(SSL* tls) const { SSL_free(tls); }
};

Fd bound_socket(int& port) {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (::bind(socket.get(), raw, length) != 0 || ::getsockname(socket.get(), raw, &length) != 0) {
    throw std::runtime_error("no loopback socket");
  }
  port = ntohs(address.sin_port);
  return socket;
}

}  // namespace

std::string WireRequest::header(std::string_view name) const {
  const std::string start = "\r\n" + std::string(name) + ": ";
  const std::size_t at = head.find(start);
  if (at == std::string::npos) return "";
  const std::size_t begin = at + start.size();
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

bool Peer::read_some() {
  std::array<char, 64 * 1024> buffer;
  if (tls_ != nullptr) {
    if (SSL_pending(tls_) == 0 && !server_.wait_readable(fd_)) return false;
    const int got = SSL_read(tls_, buffer.data(), static_cast<int>(buffer.size()));
    if (got <= 0) return false;
    unread_.append(buffer.data(), static_cast<std::size_t>(got));
    return true;
  }
  if (!server_.wait_readable(fd_)) return false;
  const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
  if (got <= 0) return false;
  unread_.append(buffer.data(), static_cast<std::size_t>(got));
  return true;
}

std::optional<std::string> Peer::read_exactly(std::size_t bytes) {
  while (unread_.size() < bytes) {
    if (!read_some()) return std::nullopt;
  }
  std::string result = unread_.substr(0, bytes);
  unread_.erase(0, bytes);
  return result;
}

std::optional<WireRequest> Peer::read_head() {
  constexpr std::string_view kEnd = "\r\n\r\n";
  while (unread_.find(kEnd) == std::string::npos) {
    if (!read_some()) return std::nullopt;
  }
  WireRequest request;
  request.head = *read_exactly(unread_.find(kEnd) + kEnd.size());
  server_.remember(request);
  return request;
}

std::optional<WireRequest> Peer::read_request() {
  auto request = read_head();
  if (!request) return std::nullopt;
  const std::string length = request->header("Content-Length");
  auto body = read_exactly(std::strtoul(length.c_str(), nullptr, 10));
  if (!body) return std::nullopt;
  server_.remember_body(*body);
  request->body = std::move(*body);
  return request;
}

bool Peer::send(std::string_view bytes) {
  if (tls_ != nullptr) return SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size())) > 0;
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void Peer::finish() {
  if (tls_ == nullptr) ::shutdown(fd_, SHUT_WR);
  while (read_some()) unread_.clear();
}

LoopbackServer::LoopbackServer(Handler handler, const TlsIdentity* tls)
    : handler_(std::move(handler)), tls_(tls), listener_(bound_socket(port_)) {
  std::array<int, 2> ends{};
  if (::listen(listener_.get(), 8) != 0 || ::pipe(ends.data()) != 0) {
    throw std::runtime_error("no loopback server");
  }
  end_reader_ = Fd(ends[0]);
  end_writer_ = Fd(ends[1]);
  thread_ = std::thread([this] { run(); });
}

LoopbackServer::~LoopbackServer() {
  end_writer_ = Fd();
  thread_.join();
}

std::string LoopbackServer::url(std::string_view path) const {
  return (tls_ == nullptr ? "http://" : "https://") + host() + std::string(path);
}

std::vector<WireRequest> LoopbackServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void LoopbackServer::remember(const WireRequest& request) {
  const std::lock_guard lock(mutex_);
  requests_.push_back(request);
}

void LoopbackServer::remember_body(const std::string& body) {
  const std::lock_guard lock(mutex_);
  requests_.back().body = body;
}

bool LoopbackServer::wait_readable(int fd) const {
  std::array<pollfd, 2> both{{{fd, POLLIN, 0}, {end_reader_.get(), POLLIN, 0}}};
  while (::poll(both.data(), both.size(), -1) < 0) {
    if (errno != EINTR) return false;
  }
  return both[1].revents == 0;
}

void LoopbackServer::run() {
  sigset_t pipe_signal;  // OpenSSL writes without MSG_NOSIGNAL
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr);
  while (wait_readable(listener_.get())) {
    const Fd connection(::accept(listener_.get(), nullptr, nullptr));
    if (!connection) continue;
    ++connections_;
    serve(connection.get());
  }
}

void LoopbackServer::serve(int fd) {
  std::unique_ptr<SSL, SslDeleter> tls;
  if (tls_ != nullptr) {
    tls.reset(SSL_new(tls_->context()));
    SSL_set_fd(tls.get(), fd);
    if (SSL_accept(tls.get()) != 1) return;
  }
  Peer peer(*this, fd, tls.get());
  handler_(peer);
}

int closed_port() {
  int port = 0;
  bound_socket(port);
  return port;
}

}  // namespace hubrev::testing
