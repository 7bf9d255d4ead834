#pragma once
// A server on 127.0.0.1 that does, byte by byte, what a test tells it to: the other end of the real
// HttpClient.

#include <openssl/ssl.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "plugin/base/file.h"
#include "tests/unit/net/tls_identity.h"

namespace hubrev::testing {

struct WireRequest {
  std::string head;  // request line and headers, with the blank line that ends them
  std::string body;
  // The value of that header, its name as written; "" when absent.
  std::string header(std::string_view name) const;
};

class LoopbackServer;

// One connection, on the server's thread. A call that finds the client gone, or the server ending,
// returns false or nothing.
class Peer {
 public:
  // Up to the blank line. The body stays unread.
  std::optional<WireRequest> read_head();
  // With a body of Content-Length.
  std::optional<WireRequest> read_request();
  std::optional<std::string> read_exactly(std::size_t bytes);
  bool send(std::string_view bytes);
  // Sends nothing more, and reads until the client goes: a bare close() with bytes unread would
  // reset the connection and take the answer with it.
  void finish();
  const LoopbackServer& server() const { return server_; }

 private:
  friend class LoopbackServer;
  Peer(LoopbackServer& server, int fd, SSL* tls) : server_(server), fd_(fd), tls_(tls) {}
  bool read_some();  // appends to unread_

  LoopbackServer& server_;
  int fd_;
  SSL* tls_;  // null: plain
  std::string unread_;
};

class LoopbackServer {
 public:
  using Handler = std::function<void(Peer&)>;
  // Calls `handler` for one connection after the other, which is closed when it returns. `tls` must
  // outlive the server.
  explicit LoopbackServer(Handler handler, const TlsIdentity* tls = nullptr);
  ~LoopbackServer();
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  int port() const { return port_; }
  std::string url(std::string_view path) const;
  int connections() const { return connections_; }
  // Every head (and body) read so far.
  std::vector<WireRequest> requests() const;

 private:
  friend class Peer;
  void run();
  void serve(int fd);
  bool wait_readable(int fd) const;  // false: the server ends
  void remember(const WireRequest& request);
  void remember_body(const std::string& body);  // of the last one

  Handler handler_;
  const TlsIdentity* tls_;
  int port_ = 0;
  Fd listener_;
  Fd end_reader_;  // hangs up when end_writer_ is closed
  Fd end_writer_;
  std::atomic<int> connections_{0};
  mutable std::mutex mutex_;  // guards requests_
  std::vector<WireRequest> requests_;
  std::thread thread_;
};

// A port of 127.0.0.1 on which nobody listens.
int closed_port();

}  // namespace hubrev::testing
