#pragma once
// A git server whose answers stand in the input, and a client's scratch repository. libgit2 is not
// instrumented: of its own mistakes only those are seen that pass through malloc, free and memcpy,
// which the sanitizer replaces for the whole process.

#include <cstdio>

#include "plugin/git/commit_writer.h"
#include "plugin/git/remote.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_http.h"
#include "tests/support/temp_dir.h"

namespace hubrev::fuzz {

inline constexpr const char* kRef = "refs/heads/step-10";

inline std::string packet(std::string_view payload) {
  char length[5];
  std::snprintf(length, sizeof length, "%04x",
                static_cast<unsigned>((payload.size() + 4) & 0xffff));
  return length + std::string(payload);
}

// Each line, its line feed included, as a packet; a line "0000" as a flush.
inline std::string packets(std::string_view lines) {
  std::string bytes;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size() - 1) + 1;
    const std::string_view line = lines.substr(0, end);
    bytes += line == "0000\n" || line == "0000" ? "0000" : packet(line);
    lines.remove_prefix(end);
  }
  return bytes;
}

// The answer in the section `name`, whose bytes are meant as they are; else the lines of the
// section
// "<name> lines", packed. "" when there is neither.
inline std::string answer_in(const Sections& sections, const std::string& name) {
  for (const auto& [key, bytes] : sections) {
    if (key == name) return bytes;
    if (key == name + " lines") return packets(bytes);
  }
  return "";
}

// Lives as long as the process: a repository per input would be most of the work.
struct Client {
  static Client& instance() {
    static Client client;
    return client;
  }

  testing::TempDir dir;
  Repository repository = Repository::create(dir / "scratch").value();
  GitId commit = write_root_commit(repository, content()).value();

 private:
  static CommitContent content() {
    CommitContent content;
    content.files = {{"README.md", "text"}, {"weights/model.safetensors", "pointer\n"}};
    content.message = "step 10\n";
    content.signature = {"Trainer", "trainer@example.test", 1'700'000'000};
    return content;
  }
};

// GET is answered with `refs`, POST with `result`, as `service`.
struct Server {
  Server(std::string refs, std::string result, const std::string& service)
      : http([=](const testing::SeenRequest& request) {
          const bool post = request.method == "POST";
          return testing::respond(200, post ? result : refs,
                                  {{"content-type", "application/x-git-" + service +
                                                        (post ? "-result" : "-advertisement")}});
        }) {
    remote.url = "http://hub.test/team/model";
    remote.http = &http;
    remote.retry.clock = &clock;
    remote.retry.policy.max_retries = 0;
  }

  testing::FakeClock clock;
  testing::FakeHttp http;
  Remote remote;
};

}  // namespace hubrev::fuzz
