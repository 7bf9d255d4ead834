// Objects carried by transfer agents: real processes, most of them a few lines of shell.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "tests/support/temp_dir.h"
#include "tests/unit/lfs/lfs_fixture.h"

namespace hubrev {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using testing::SeenRequest;
using testing::TempDir;

// Says that it is ready, then does `each` for every object; $oid, $path and $line are its.
std::string agent_script(const std::string& each) {
  return R"sh(read -r init; echo "$init" >> "$0.heard"; echo '{}'
while read -r line; do
  echo "$line" >> "$0.heard"
  case "$line" in *'"terminate"'*) exit 0;; esac
  oid=$(expr "$line" : '.*"oid":"\([0-9a-f]*\)"')
  path=$(expr "$line" : '.*"path":"\([^"]*\)"')
  )sh" + each +
         "\ndone\n";
}

constexpr const char* kCarry =
    R"sh(cp "$path" "$0.$oid"; echo "{\"event\":\"complete\",\"oid\":\"$oid\"}")sh";

class TransferAgentsTest : public testing::LfsTest {
 protected:
  TransferAgentsTest() {
    lfs_.transfer = "custom";
    context_.retry.policy.max_retries = 0;
    context_.agents.remote = "https://hub.example/o/m";
    context_.agents.objects = dir_ / "objects";
    context_.agents.environment = {"PATH=" + std::string(std::getenv("PATH"))};
    context_.agents.log = [this](const std::string& line) { log_ += line + "\n"; };
  }
  ~TransferAgentsTest() override {
    EXPECT_FALSE(std::filesystem::exists(dir_ / "objects") &&
                 !std::filesystem::is_empty(dir_ / "objects"))
        << "files of objects are removed";
  }

  // An agent of one process at a time that runs `script`; "$0" is the path that agent_path() tells.
  TransferAgent& use(const std::string& script) {
    context_.agents.agents = {
        {"custom", {"sh", "-c", script, agent_path()}, false, false, false, milliseconds(20'000)}};
    return context_.agents.agents.front();
  }
  std::string agent_path() const { return dir_ / "agent"; }
  std::string carried(const std::string& bytes) const {
    return TempDir::read(agent_path() + "." + sha256(bytes).hex());
  }
  std::vector<json> heard() const {
    std::istringstream lines(TempDir::read(agent_path() + ".heard"));
    std::vector<json> all;
    for (std::string line; std::getline(lines, line);) all.push_back(json::parse(line));
    return all;
  }
  void expect_error(ErrorKind kind, const std::string& words) {
    const auto sent = upload({file("optimizer.pt", "bytes")});
    ASSERT_FALSE(sent.ok());
    EXPECT_EQ(sent.error().kind, kind) << sent.error().message;
    for (const std::string& word : {words, std::string("optimizer.pt: transfer agent 'custom'")}) {
      EXPECT_NE(sent.error().message.find(word), std::string::npos) << sent.error().message;
    }
  }

  TempDir dir_;
  std::string log_;  // written by the one process that the tests start
};

TEST_F(TransferAgentsTest, CarryWhatTheServerLeavesToThem) {
  use(agent_script(kCarry));
  lfs_.wants_verify = true;
  lfs_.upload_extra = {{"href", "nfs://store/a b"}, {"header", {{"key", "v"}}}, {"more", 1}};
  const std::string frozen = dir_.write("model.bin", "frozen");
  const auto sent =
      upload({{"model.bin", Source::from_file(frozen, 6)}, file("virtual", "from memory")});
  ASSERT_FALSE(sent.ok()) << "the server was asked to verify, and has nothing";
  EXPECT_NE(sent.error().message.find("verifying model.bin"), std::string::npos)
      << sent.error().message;

  const std::vector<json> said = heard();
  ASSERT_GE(said.size(), 2u);
  EXPECT_EQ(said[0], (json{{"event", "init"},
                           {"operation", "upload"},
                           {"remote", "https://hub.example/o/m"},
                           {"concurrent", false},
                           {"concurrenttransfers", 3}}));
  EXPECT_EQ(
      said[1],
      (json{{"event", "upload"},
            {"oid", sha256("frozen").hex()},
            {"size", 6},
            {"path", frozen},
            {"action", {{"href", "nfs://store/a b"}, {"header", {{"key", "v"}}}, {"more", 1}}}}));
  EXPECT_EQ(carried("frozen"), "frozen");
  const json batch = json::parse(http_.seen().at(0).body);
  EXPECT_EQ(batch["transfers"], (json{"custom", "basic", "multipart"}));
  for (const SeenRequest& one : http_.seen()) EXPECT_NE(one.method, "PUT");
}

TEST_F(TransferAgentsTest, GetAFileOfWhatIsNone) {
  use(agent_script(kCarry));
  const std::string frozen = dir_.write("frozen", "....tensor....");
  const Source shard =
      Source::concatenate({Source::from_bytes("header:"), Source::from_range({frozen, 4, 6})});
  ASSERT_TRUE(upload({{"shard", shard}, {"part", Source::from_range({frozen, 0, 4})}}).ok());
  EXPECT_EQ(carried("header:tensor"), "header:tensor");
  EXPECT_EQ(carried("...."), "....");
  EXPECT_EQ(heard()[1]["path"], dir_ / ("objects/" + sha256("header:tensor").hex()));
  EXPECT_EQ(heard().back(), (json{{"event", "terminate"}}));
  EXPECT_EQ(progress_.bytes_sent, 17u);
}

TEST_F(TransferAgentsTest, AreNotAskedForWhatTheServerHasOrSendsItself) {
  use("exit 1");
  lfs_.stored[sha256("there").hex()] = "there";
  EXPECT_TRUE(upload({file("there.bin", "there")}).ok());
  lfs_.transfer = "basic";
  EXPECT_TRUE(upload({file("a.bin", "a")}).ok());
  EXPECT_EQ(lfs_.stored.at(sha256("a").hex()), "a");
}

TEST_F(TransferAgentsTest, StandaloneAsksNoServer) {
  use(agent_script(kCarry)).standalone = true;
  context_.max_put_size = 1;
  ASSERT_TRUE(upload({file("a.bin", "abc")}).ok());
  EXPECT_TRUE(http_.seen().empty());
  EXPECT_EQ(carried("abc"), "abc");
  EXPECT_EQ(heard()[1]["action"], nullptr);
}

TEST_F(TransferAgentsTest, RunSideBySideWhereTheyMay) {
  // Each waits until there are two of them, so one alone would not end.
  use(agent_script(std::string(": > \"$0.at.$oid\"; until [ $(ls \"$0\".at.* | wc -l) -ge 2 ]; do "
                               "sleep 0.01; done; ") +
                   kCarry))
      .concurrent = true;
  EXPECT_TRUE(upload({file("a", std::string(9 << 20, 'a')), file("b", "b")}).ok());
}

TEST_F(TransferAgentsTest, ProgressCounts) {
  use(agent_script(
      "echo '{\"event\":\"progress\",\"oid\":\"'$oid'\",\"bytesSoFar\":3,\"bytesSinceLast\":3}'; "
      "echo '{\"event\":\"progress\",\"oid\":\"'$oid'\",\"bytesSoFar\":900}'; "
      "echo "
      "'{\"event\":\"complete\",\"oid\":\"'$oid'\",\"error\":{\"code\":2,\"message\":\"full\"}}'"));
  expect_error(ErrorKind::kServer, "reported: full");
  EXPECT_EQ(progress_.bytes_sent, 5u) << "never more than there is";
}

TEST_F(TransferAgentsTest, AnErrorWithAStatusMeansWhatItMeansForHttp) {
  use(
      agent_script("echo "
                   "'{\"event\":\"complete\",\"oid\":\"'$oid'\",\"error\":{\"code\":413,"
                   "\"message\":\"big\"}}'"));
  expect_error(ErrorKind::kRejected, "413: big");
}

TEST_F(TransferAgentsTest, AnObjectsErrorIsTriedAgainByTheSameProcess) {
  context_.retry.policy.max_retries = 1;
  use(agent_script("if [ -e \"$0.once\" ]; then " + std::string(kCarry) +
                   "; else : > \"$0.once\"; echo "
                   "'{\"event\":\"complete\",\"oid\":\"'$oid'\",\"error\":{\"code\":2}}'; fi"));
  EXPECT_TRUE(upload({file("a", "a")}).ok());
  EXPECT_EQ(heard().size(), 4u) << "init, upload twice, terminate";
}

TEST_F(TransferAgentsTest, OneThatDiesSaysHowAndWhatItWrote) {
  use("echo no credentials >&2; exit 7");
  expect_error(ErrorKind::kNetwork, "ended (exit status 7) without an answer; it wrote: no cred");
  use(agent_script("echo broken >&2; kill -9 $$"));
  expect_error(ErrorKind::kNetwork, "ended (signal 9) without an answer; it wrote: broken");
  EXPECT_NE(log_.find("transfer agent 'custom': broken"), std::string::npos);
}

TEST_F(TransferAgentsTest, OneThatDiesIsStartedAnew) {
  context_.retry.policy.max_retries = 1;
  use("[ -e \"$0.once\" ] || { : > \"$0.once\"; exit 1; }\n" + agent_script(kCarry));
  EXPECT_TRUE(upload({file("a", "a")}).ok());
}

TEST_F(TransferAgentsTest, OneThatSaysNonsenseIsNotUnderstood) {
  for (const char* nonsense :
       {"hello", "[]", "{\"event\":\"complete\"}", "{\"event\":\"progress\"}",
        "{\"event\":\"download\",\"oid\":\"'$oid'\"}"}) {
    use(agent_script(std::string("echo '") + nonsense + "'"));
    expect_error(ErrorKind::kRejected, "said what is no answer of a transfer agent: ");
  }
  use("echo hello");
  expect_error(ErrorKind::kRejected, "said what is no answer of a transfer agent: hello");
  use("echo '{\"error\":{\"code\":32,\"message\":\"not today\"}}'");
  expect_error(ErrorKind::kServer, "reported: not today");
  use("exec tr '\\0' x < /dev/zero");
  expect_error(ErrorKind::kRejected, "a line of more than 1 MiB");
}

TEST_F(TransferAgentsTest, OneThatIsSilentIsEndedWithAllThatItStarted) {
  use("sleep 1000 & echo $! > \"$0.child\"; trap '' TERM; sleep 1000").stall_timeout =
      milliseconds(300);
  expect_error(ErrorKind::kTimeout, "said nothing for 0 s ('stall_timeout')");
  const auto child = static_cast<pid_t>(std::stol(TempDir::read(agent_path() + ".child")));
  // Killed with its parent; whoever adopted it may still have to take note of it.
  const std::string state = "/proc/" + std::to_string(child) + "/stat";
  const std::string left = TempDir::read(state);
  EXPECT_TRUE(left.empty() || left.find(") Z") != std::string::npos) << left;
}

TEST_F(TransferAgentsTest, OneThatDoesNotExistIsAMistakeInTheSettings) {
  use("").command = {"/no/such/agent"};
  expect_error(ErrorKind::kConfig, "cannot start '/no/such/agent': No such file");
}

TEST_F(TransferAgentsTest, CancellingEndsThem) {
  use(agent_script(": > \"$0.began\"; sleep 1000"));
  std::jthread canceller([&] {
    while (!std::filesystem::exists(agent_path() + ".began")) {
      std::this_thread::sleep_for(milliseconds(1));
    }
    stop_.request_stop();
  });
  const auto sent = upload({file("a", "a")});
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().kind, ErrorKind::kCancelled);
}

TEST_F(TransferAgentsTest, WhatTheServerTellsThemIsNotShown) {
  lfs_.upload_extra = {{"href", "https://store.example/x?Signature=s3cr3t"},
                       {"header", {{"Authorization", "Bearer t0psecret"}}}};
  use(agent_script("echo \"$line\" >&2; exit 1"));
  const auto sent = upload({file("a", "a")});
  ASSERT_FALSE(sent.ok());
  for (const char* secret : {"s3cr3t", "t0psecret"}) {
    EXPECT_EQ(sent.error().message.find(secret), std::string::npos) << sent.error().message;
    EXPECT_EQ(log_.find(secret), std::string::npos) << log_;
    EXPECT_NE(TempDir::read(agent_path() + ".heard").find(secret), std::string::npos);
  }
}

TEST_F(TransferAgentsTest, TheTokenIsNotInTheirEnvironmentUnlessItIsWanted) {
  server_.credential.token = Secret("hf_abcdefgh");
  context_.agents.environment.insert(context_.agents.environment.end(),
                                     {"HF_TOKEN=hf_other", "MY_COPY=x-hf_abcdefgh", "KEPT=1"});
  for (const bool kept : {false, true}) {
    lfs_.stored.clear();
    use("env > \"$0.env\"\n" + agent_script(kCarry)).keep_token = kept;
    ASSERT_TRUE(upload({file("a", "a")}).ok());
    const std::string env = TempDir::read(agent_path() + ".env");
    EXPECT_NE(env.find("KEPT=1"), std::string::npos);
    EXPECT_EQ(env.find("hf_abcdefgh") != std::string::npos, kept) << env;
    EXPECT_EQ(env.find("HF_TOKEN") != std::string::npos, kept) << env;
  }
}

// The agent that git-lfs itself brings, for repositories on a shared disk.
TEST_F(TransferAgentsTest, GitLfsOwnStandaloneAgentUnderstandsUs) {
  const std::string repository = dir_ / "repo.git";
  if (std::system("git lfs version > /dev/null 2>&1") != 0) GTEST_SKIP() << "no git-lfs here";
  ASSERT_EQ(std::system(("git init --quiet --bare " + repository).c_str()), 0);
  use("").command = {"git-lfs", "standalone-file"};
  context_.agents.agents[0].standalone = true;
  context_.agents.remote = "file://" + repository;
  context_.agents.environment.push_back("HOME=" + dir_.path().string());
  const auto sent = upload({file("a", "abc"), file("b", "bcd")});
  ASSERT_TRUE(sent.ok()) << sent.error().message;
  for (const char* bytes : {"abc", "bcd"}) {
    const std::string oid = sha256(bytes).hex();
    EXPECT_EQ(TempDir::read(repository + "/lfs/objects/" + oid.substr(0, 2) + "/" +
                            oid.substr(2, 2) + "/" + oid),
              bytes);
  }
}

}  // namespace
}  // namespace hubrev
