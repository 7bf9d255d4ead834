// The worker without a server: what must hold before and after a push. Pushes to a real one are
// tested from Python.
#include "plugin/worker/worker.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "plugin/spool/spool.h"
#include "tests/support/temp_dir.h"

namespace hubrev {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::TempDir;

class WorkerTest : public ::testing::Test {
 protected:
  TempDir dir_;
  nlohmann::json settings_ = {{"repo_id", "me/model"},
                              // Nothing listens on the discard port of loopback.
                              {"endpoint", "http://127.0.0.1:9"},
                              {"max_retries", 0},
                              {"mode", "spool"}};

  void SetUp() override { make_checkpoint("checkpoint-1"); }

  void make_checkpoint(const std::string& name) const {
    const std::string header = R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
    std::string bytes(8, '\0');
    bytes[0] = static_cast<char>(header.size());
    dir_.write(name + "/model.safetensors", bytes + header + "x");
    dir_.write(name + "/config.json", "{}");
  }

  std::unique_ptr<Worker> start() {
    auto worker = Worker::create({settings_, Secret("hf_secret_token"), dir_.path().string(), ""});
    EXPECT_TRUE(worker.ok()) << worker.error().message;
    return std::move(worker).value();
  }

  Submission checkpoint(std::int64_t step) const {
    Submission submission;
    submission.directory = dir_ / "checkpoint-1";
    submission.step = step;
    return submission;
  }

  static std::string state_of(const Worker& worker, const std::string& id) {
    for (const auto& record : worker.status()) {
      if (record["id"] == id) return record["state"];
    }
    return "";
  }
};

TEST_F(WorkerTest, FrozenJobsWaitForTheNextProcess) {
  std::string id;
  {
    const auto worker = start();
    const auto submitted = worker->submit(checkpoint(1));
    ASSERT_TRUE(submitted.ok()) << submitted.error().message;
    id = *submitted;
    EXPECT_EQ(worker->wait(id, seconds(5)), WaitOutcome::kStands)
        << "spool: nothing moves, and nobody is kept waiting";
    EXPECT_FALSE(worker->close(seconds(5)));
  }
  std::filesystem::remove_all(dir_ / "checkpoint-1");
  const auto worker = start();
  EXPECT_EQ(state_of(*worker, id), "queued");
  const std::string pack = TempDir::read(dir_ / ("_hub_revisions/" + id + "/files.small"));
  EXPECT_TRUE(pack.starts_with("{}")) << pack;
}

TEST_F(WorkerTest, LeftJobsGoWhereTheHubIsNow) {
  std::string id;
  {
    const auto worker = start();
    id = *worker->submit(checkpoint(1));
  }
  settings_["mode"] = "push";
  const std::string moved = "http://127.0.0.1:10";
  auto worker = Worker::create({settings_, Secret("hf_token"), dir_.path().string(), moved});
  ASSERT_TRUE(worker.ok());
  ASSERT_EQ((*worker)->wait(id, seconds(60)), WaitOutcome::kEnded);
  const std::string message = (*worker)->status().at(0)["error"]["message"];
  EXPECT_NE(message.find("127.0.0.1:10"), std::string::npos) << message;
}

TEST_F(WorkerTest, SavingTheSameStepAgainSupersedes) {
  const auto worker = start();
  const std::string first = *worker->submit(checkpoint(1));
  const std::string other = *worker->submit(checkpoint(2));
  const std::string second = *worker->submit(checkpoint(1));
  EXPECT_EQ(state_of(*worker, first), "superseded");
  EXPECT_EQ(state_of(*worker, other), "queued");
  EXPECT_EQ(state_of(*worker, second), "queued");
  worker->close(milliseconds(0));
  EXPECT_FALSE(std::filesystem::exists(dir_ / ("_hub_revisions/" + first + "/files")));
}

TEST_F(WorkerTest, AKillBetweenTwoSavesLeavesOnlyTheLaterOne) {
  std::string first;
  std::string second;
  {
    const auto worker = start();
    first = *worker->submit(checkpoint(1));
  }
  const std::string record_path = dir_ / ("_hub_revisions/" + first + "/job.json");
  const std::string queued = TempDir::read(record_path);
  const std::filesystem::path spool = dir_ / "_hub_revisions";
  std::filesystem::copy(spool / first / "files", dir_ / "kept");
  {
    const auto worker = start();
    second = *worker->submit(checkpoint(1));
  }
  // As if the process had died before it wrote down that the first was superseded.
  dir_.write("_hub_revisions/" + first + "/job.json", queued);
  std::filesystem::copy(dir_ / "kept", spool / first / "files");
  settings_["mode"] = "sync";
  const auto worker = start();
  EXPECT_EQ(state_of(*worker, first), "superseded");
  EXPECT_NE(state_of(*worker, second), "superseded");
}

TEST_F(WorkerTest, ACancelThatCameWhileNobodyOwnedTheSpoolHolds) {
  std::string id;
  {
    const auto worker = start();
    id = *worker->submit(checkpoint(1));
  }
  ASSERT_TRUE(request_cancel(dir_ / "_hub_revisions", id).ok());
  settings_["mode"] = "push";
  const auto worker = start();
  EXPECT_EQ(state_of(*worker, id), "cancelled");
}

TEST_F(WorkerTest, ATokenIsNotSentWhereAnOldRecordPoints) {
  std::string id;
  {
    const auto worker = start();
    id = *worker->submit(checkpoint(1));
  }
  settings_["endpoint"] = "http://127.0.0.1:10";
  settings_["mode"] = "push";
  const auto worker = start();
  EXPECT_EQ(state_of(*worker, id), "failed");
  const std::string message = worker->status().at(0)["error"]["message"];
  EXPECT_NE(message.find("--endpoint http://127.0.0.1:9"), std::string::npos) << message;
}

TEST_F(WorkerTest, ASnapshotThatIsGoneIsSaidSo) {
  std::string id;
  {
    const auto worker = start();
    id = *worker->submit(checkpoint(1));
  }
  std::filesystem::remove_all(dir_ / ("_hub_revisions/" + id + "/files"));
  settings_["mode"] = "sync";
  const auto worker = start();
  EXPECT_EQ(state_of(*worker, id), "failed");
}

TEST_F(WorkerTest, OneSpoolHasOneWorker) {
  const auto worker = start();
  const auto second = Worker::create({settings_, Secret(), dir_.path().string(), ""});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorKind::kConfig);
}

TEST_F(WorkerTest, AFailureToFreezeIsOnRecord) {
  std::string id;
  const auto worker = start();
  Submission missing = checkpoint(1);
  missing.directory = dir_ / "checkpoint-404";
  const auto submitted = worker->submit(missing);
  ASSERT_FALSE(submitted.ok());
  EXPECT_EQ(submitted.error().kind, ErrorKind::kInvalidInput);
  const auto records = worker->status();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0]["state"], "failed");
  EXPECT_EQ(records[0]["error"]["message"], submitted.error().message);
}

TEST_F(WorkerTest, NamesThatCollideAreRefused) {
  settings_["revision_template"] = "r{step}{epoch}";
  const auto worker = start();
  Submission first = checkpoint(1);
  first.epoch = 11;
  Submission second = checkpoint(11);
  second.epoch = 1;
  ASSERT_TRUE(worker->submit(first).ok());
  const auto refused = worker->submit(second);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kConfig);
  EXPECT_EQ(worker->status().size(), 2u) << "it is on record";
}

TEST_F(WorkerTest, CancelEndsAQueuedJobForGood) {
  std::string id;
  {
    const auto worker = start();
    id = *worker->submit(checkpoint(1));
    EXPECT_TRUE(worker->cancel(id));
    EXPECT_FALSE(worker->cancel(id)) << "nothing pending is left of it";
    EXPECT_FALSE(worker->cancel("no such job"));
    EXPECT_EQ(worker->wait(id, seconds(5)), WaitOutcome::kEnded);
  }
  const auto worker = start();
  EXPECT_EQ(state_of(*worker, id), "cancelled");
}

TEST_F(WorkerTest, AnUnreachableServerFailsTheJobAndKeepsItsSnapshot) {
  settings_["mode"] = "push";
  std::string id;
  {
    const auto worker = start();
    worker->preflight();
    id = *worker->submit(checkpoint(1));
    ASSERT_EQ(worker->wait(id, seconds(60)), WaitOutcome::kEnded);
    const auto record = worker->status().at(0);
    EXPECT_EQ(record["state"], "failed");
    EXPECT_EQ(record["error"]["kind"], "network");
    const std::string message = record["error"]["message"];
    EXPECT_NE(message.find("127.0.0.1:9"), std::string::npos) << message;
    worker->close(milliseconds(0));
    const auto preflight = worker->preflight_result();
    ASSERT_TRUE(preflight.has_value());
    EXPECT_FALSE(preflight->ok());
  }
  EXPECT_TRUE(std::filesystem::exists(dir_ / ("_hub_revisions/" + id + "/files.small")));
  const auto worker = start();
  ASSERT_EQ(worker->wait(id, seconds(60)), WaitOutcome::kEnded);
  EXPECT_EQ(worker->status().at(0)["attempts"], 2) << "the next start tries again";
}

TEST_F(WorkerTest, ATruncatedCheckpointFailsBeforeAnythingIsSent) {
  settings_["mode"] = "push";
  dir_.write("checkpoint-1/model.safetensors", std::string(8, '\7'));
  const auto worker = start();
  const std::string id = *worker->submit(checkpoint(1));
  ASSERT_EQ(worker->wait(id, seconds(60)), WaitOutcome::kEnded);
  const auto record = worker->status().at(0);
  EXPECT_EQ(record["state"], "failed");
  EXPECT_EQ(record["error"]["kind"], "invalid_input") << record["error"]["message"];
}

TEST_F(WorkerTest, AfterCloseSubmitsAreRefused) {
  const auto worker = start();
  EXPECT_TRUE(worker->close(milliseconds(0)));
  EXPECT_TRUE(worker->close(milliseconds(0))) << "idempotent";
  EXPECT_TRUE(Worker::create({settings_, Secret(), dir_.path().string(), ""}).ok())
      << "the spool is free";
  EXPECT_FALSE(worker->submit(checkpoint(1)).ok());
}

TEST_F(WorkerTest, AForkedChildIsRefusedAndHarmless) {
#ifdef __SANITIZE_ADDRESS__
  // GCC 12's runtime takes locks of its own to allocate, which a thread that is gone in the child
  // may hold. Without it this runs.
  GTEST_SKIP() << "AddressSanitizer cannot allocate in a fork of a process with threads";
#endif
  auto worker = start();
  const std::string id = *worker->submit(checkpoint(1));
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const bool refused = !worker->submit(checkpoint(2)).ok() && !worker->cancel(id);
    worker.reset();
    ::_exit(refused ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(state_of(*worker, id), "queued");
}

TEST_F(WorkerTest, TheTokenIsNowhereOnDisk) {
  settings_["mode"] = "push";
  {
    const auto worker = start();
    (void)worker->submit(checkpoint(1));
    EXPECT_EQ(worker->wait("", seconds(60)), WaitOutcome::kEnded);
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_ / "_hub_revisions")) {
    if (!entry.is_regular_file()) continue;
    EXPECT_EQ(TempDir::read(entry.path().string()).find("hf_secret_token"), std::string::npos)
        << entry.path();
  }
}

}  // namespace
}  // namespace hubrev
