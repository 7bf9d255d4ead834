#pragma once
// A remote without a network: real git, run as a child for each request as `git http-backend` would
// run it, on a real bare repository with real hooks.

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "plugin/git/commit_writer.h"
#include "plugin/git/remote.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_http.h"
#include "tests/support/temp_dir.h"

namespace hubrev::testing {

// Thread-safe, as far as git is.
class GitServer {
 public:
  GitServer();

  Result<HttpResponse> answer(const SeenRequest& request);
  // Runs git in the bare repository and returns what it wrote, without the last newline. Aborts the
  // test program when git fails.
  std::string git(const std::string& arguments, const std::string& input = "") const;
  // The commit of a ref, "" when it does not exist.
  std::string commit_of(const std::string& ref) const;
  // Makes a commit that no client has, without parent.
  std::string foreign_commit(const std::string& text) const;
  void hook(const std::string& name, const std::string& script) const;
  std::string path() const { return dir_ / "repo.git"; }

 private:
  struct Outcome {
    int code = 0;
    std::string output;
  };
  Outcome run(const std::string& arguments, const std::string& input) const;

  TempDir dir_;
  mutable std::mutex mutex_;  // guards count_
  mutable int count_ = 0;     // names the files that carry a child's input and output
};

// A server, a client's scratch repository, and faults between them.
struct World {
  World();

  std::vector<SeenRequest> seen() const { return http.seen(); }
  std::size_t posts() const;
  GitId commit(const std::string& text);
  Result<PushOutcome> push(const GitId& commit, const std::string& ref);

  GitServer server;
  TempDir dir;
  FakeClock clock;
  // Looked at for each request; the request's number counts from 0.
  std::function<std::optional<Result<HttpResponse>>(const SeenRequest&, std::size_t)> before;
  std::function<Result<HttpResponse>(Result<HttpResponse>, const SeenRequest&, std::size_t)> after;
  std::size_t count = 0;
  FakeHttp http;
  Repository repository;
  Remote remote;
  std::stop_source stop;
};

bool is_post(const SeenRequest& request);
CommitContent sample_content(const std::string& text);

}  // namespace hubrev::testing
