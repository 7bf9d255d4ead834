#include "tests/unit/git/git_server.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace hubrev::testing {
namespace {

constexpr const char* kUrl = "http://hub.test/team/model";
// Nothing of the machine's or the user's git configuration.
constexpr const char* kGit =
    "env -i PATH=\"$PATH\" HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=Else "
    "GIT_AUTHOR_EMAIL=else@example.test GIT_COMMITTER_NAME=Else "
    "GIT_COMMITTER_EMAIL=else@example.test git";

std::string trimmed(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

GitServer::GitServer() {
  std::filesystem::create_directories(path());
  git("init --quiet --bare --initial-branch=main .");
}

GitServer::Outcome GitServer::run(const std::string& arguments, const std::string& input) const {
  std::string name;
  {
    const std::lock_guard lock(mutex_);
    name = "child-" + std::to_string(count_++);
  }
  const std::string in = dir_.write(name + ".in", input);
  const std::string out = dir_ / (name + ".out");
  const std::string command = std::string(kGit) + " -C '" + path() + "' " + arguments + " <'" + in +
                              "' >'" + out + "' 2>'" + out + ".err'";
  const int status = std::system(command.c_str());
  Outcome outcome{WIFEXITED(status) ? WEXITSTATUS(status) : -1, TempDir::read(out)};
  std::filesystem::remove(in);
  std::filesystem::remove(out);
  return outcome;
}

std::string GitServer::git(const std::string& arguments, const std::string& input) const {
  const Outcome outcome = run(arguments, input);
  if (outcome.code != 0) throw std::runtime_error("git " + arguments + " failed");
  return trimmed(outcome.output);
}

std::string GitServer::commit_of(const std::string& ref) const {
  return trimmed(run("rev-parse --verify --quiet '" + ref + "'", "").output);
}

std::string GitServer::foreign_commit(const std::string& text) const {
  const std::string blob = git("hash-object -w --stdin", text);
  const std::string tree = git("mktree", "100644 blob " + blob + "\tforeign.txt\n");
  return git("commit-tree " + tree, text + "\n");
}

void GitServer::hook(const std::string& name, const std::string& script) const {
  const std::string file = path() + "/hooks/" + name;
  std::filesystem::create_directories(path() + "/hooks");
  std::ofstream(file) << "#!/bin/sh\n" << script << "\n";
  ::chmod(file.c_str(), 0755);
}

Result<HttpResponse> GitServer::answer(const SeenRequest& request) {
  const std::string tail = request.url.substr(std::string(kUrl).size());
  const bool upload = tail.find("upload-pack") != std::string::npos;
  const std::string service = upload ? "upload-pack" : "receive-pack";
  const std::string type = "application/x-git-" + service;
  if (request.method == "GET" && tail == "/info/refs?service=git-" + service) {
    const Outcome refs = run(service + " --stateless-rpc --http-backend-info-refs .", "");
    const std::string head =
        upload ? "001e# service=git-upload-pack\n0000" : "001f# service=git-receive-pack\n0000";
    return respond(200, head + refs.output, {{"content-type", type + "-advertisement"}});
  }
  if (request.method == "POST" && tail == "/git-" + service) {
    const Outcome result = run(service + " --stateless-rpc .", request.body);
    return respond(200, result.output, {{"content-type", type + "-result"}});
  }
  return respond(404, "no such route: " + request.method + " " + request.url);
}

World::World()
    : http([this](const SeenRequest& request) -> Result<HttpResponse> {
        const std::size_t number = count++;
        if (before) {
          if (auto instead = before(request, number)) return *std::move(instead);
        }
        Result<HttpResponse> response = server.answer(request);
        return after ? after(std::move(response), request, number) : response;
      }),
      repository(Repository::create(dir / "scratch").value()) {
  remote.url = kUrl;
  remote.credential = {AuthScheme::kBasic, Secret("hf_secret")};
  remote.http = &http;
  remote.retry.clock = &clock;
  remote.retry.policy.max_retries = 3;
}

std::size_t World::posts() const {
  const auto requests = http.seen();
  return static_cast<std::size_t>(std::count_if(requests.begin(), requests.end(), is_post));
}

GitId World::commit(const std::string& text) {
  return write_root_commit(repository, sample_content(text)).value();
}

Result<PushOutcome> World::push(const GitId& id, const std::string& ref) {
  PushRequest request;
  request.commit = id;
  request.ref = ref;
  return hubrev::push(repository, remote, request, stop.get_token());
}

bool is_post(const SeenRequest& request) {
  return request.method == "POST";
}

CommitContent sample_content(const std::string& text) {
  CommitContent content;
  content.files = {{"README.md", text}, {"weights/model.safetensors", "pointer\n"}};
  content.message = "step 10\n\nStep: 10\n";
  content.signature = {"Trainer", "trainer@example.test", 1'700'000'000};
  return content;
}

}  // namespace hubrev::testing
