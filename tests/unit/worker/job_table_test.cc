#include "plugin/worker/job_table.h"

#include <gtest/gtest.h>

#include <thread>

namespace hubrev {
namespace {

JobRecord job(const std::string& id, const std::string& revision,
              JobState state = JobState::kQueued) {
  JobRecord record;
  record.frozen.emplace_back();
  record.id = id;
  record.revision = revision;
  record.state = state;
  return record;
}

JobRecord ended(JobRecord record, JobState state) {
  record.state = state;
  return record;
}

TEST(JobTable, TakesInOrderOfSubmission) {
  JobTable table;
  table.add(job("2", "b"));
  table.add(job("1", "a"));
  table.add(job("0", "z", JobState::kDone));
  EXPECT_EQ(table.take(0)->record.id, "1");
  EXPECT_EQ(table.take(0)->record.id, "2");
  EXPECT_FALSE(table.take(0).has_value());
}

TEST(JobTable, OneBranchIsPushedByOneLane) {
  JobTable table;
  table.add(job("1", "a"));
  table.add(job("2", "a"));
  const auto first = table.take(0);
  EXPECT_FALSE(table.take(0).has_value());
  table.finish(ended(first->record, JobState::kDone));
  EXPECT_EQ(table.take(0)->record.id, "2");
}

TEST(JobTable, TheSameNameInAnotherRepositoryIsAnotherBranch) {
  JobTable table;
  JobRecord other = job("2", "a");
  other.settings = share_settings({{"repo_id", "x/y"}});
  table.add(job("1", "a"));
  table.add(other);
  EXPECT_TRUE(table.take(0).has_value());
  EXPECT_TRUE(table.take(0).has_value());
}

TEST(JobTable, SupersedingEndsWaitingJobsAndStopsRunningOnes) {
  JobTable table;
  table.add(job("1", "a"));
  table.add(job("2", "a"));
  table.add(job("3", "a", JobState::kFailed));
  table.add(job("4", "b"));
  const auto running = table.take(0);
  const auto gone = table.supersede(job("9", "a"));
  ASSERT_EQ(gone.size(), 2u);
  EXPECT_EQ(gone[0].id, "2");
  EXPECT_EQ(gone[0].state, JobState::kSuperseded);
  EXPECT_EQ(gone[1].id, "3") << "a failed one must not come back over its successor";
  EXPECT_TRUE(running->stop.stop_requested());
  EXPECT_EQ(table.stop_reason("1"), StopReason::kSuperseded);
  EXPECT_TRUE(table.pending("4"));
}

TEST(JobTable, ClosingLeavesTheQueueAlone) {
  JobTable table;
  table.add(job("1", "a"));
  table.add(job("2", "b"));
  const auto running = table.take(0);
  table.close();
  EXPECT_TRUE(running->stop.stop_requested());
  EXPECT_EQ(table.stop_reason("1"), StopReason::kClosing);
  EXPECT_TRUE(table.pending("2"));
  EXPECT_FALSE(table.take(0).has_value()) << "none begins after close()";
  const auto later = std::chrono::steady_clock::now() + std::chrono::hours(1);
  EXPECT_EQ(table.wait("2", later), WaitOutcome::kStands);
}

TEST(JobTable, TheFirstReasonStands) {
  JobTable table;
  table.add(job("1", "a"));
  const auto running = table.take(0);
  (void)table.cancel("1");
  table.close();
  EXPECT_EQ(table.stop_reason("1"), StopReason::kCancelled);
}

JobRecord failed(const std::string& id, const std::string& revision, ErrorKind kind) {
  JobRecord record = job(id, revision, JobState::kFailed);
  record.error = make_error(kind, "no");
  return record;
}

TEST(JobTable, ASuccessGivesTransientFailuresASecondChance) {
  JobTable table;
  table.add(failed("1", "a", ErrorKind::kNetwork));
  table.add(failed("2", "b", ErrorKind::kAuth));
  table.add(failed("3", "c", ErrorKind::kNetwork));
  table.add(job("4", "c", JobState::kDone));
  table.add(job("5", "d"));
  table.finish(ended(table.take(0)->record, JobState::kDone));
  EXPECT_TRUE(table.pending("1"));
  EXPECT_FALSE(table.pending("2")) << "waiting does not mend a token";
  EXPECT_FALSE(table.pending("3")) << "its branch holds a later save";
}

TEST(JobTable, AFailedJobCanBeDropped) {
  JobTable table;
  table.add(failed("1", "a", ErrorKind::kRejected));
  EXPECT_TRUE(table.cancel_all().empty()) << "all that is pending, it is not";
  EXPECT_EQ(table.cancel("1").size(), 1u);
  EXPECT_TRUE(table.cancel("1").empty());
}

TEST(JobTable, WaitEndsWithTheJob) {
  JobTable table;
  table.add(job("1", "a"));
  table.add(job("2", "b"));
  const auto running = table.take(0);
  std::thread lane([&] { table.finish(ended(running->record, JobState::kDone)); });
  const auto soon = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  EXPECT_EQ(table.wait("1", soon), WaitOutcome::kEnded);
  EXPECT_EQ(table.wait("", std::chrono::steady_clock::now()), WaitOutcome::kTimedOut)
      << "job 2 is still queued";
  EXPECT_EQ(table.wait("no such job", soon), WaitOutcome::kEnded);
  lane.join();
}

TEST(JobTable, KnowsWhichStepABranchStandsFor) {
  JobTable table;
  JobRecord done = job("1", "a", JobState::kDone);
  done.step = 7;
  table.add(done);
  EXPECT_EQ(table.step_of(JobTable::branch_key(done)), 7);
  EXPECT_FALSE(table.step_of("elsewhere").has_value());
}

TEST(JobTable, PushesNoFasterThanTheHourAllows) {
  constexpr std::int64_t kHour = 3'600'000;
  JobTable table(2);
  JobRecord done = job("0", "z", JobState::kDone);
  done.updated_ms = 1'000;
  table.add(done);
  table.add(job("1", "a"));
  table.add(job("2", "b"));
  EXPECT_FALSE(table.paced(2'000));
  const auto first = table.take(2'000);
  ASSERT_TRUE(first);
  EXPECT_FALSE(table.take(2'000)) << "one done and one running make two";
  EXPECT_TRUE(table.paced(2'000));
  table.finish(ended(first->record, JobState::kFailed));
  const auto second = table.take(3'000);
  ASSERT_TRUE(second) << "what failed does not count";
  JobRecord record = ended(second->record, JobState::kDone);
  record.updated_ms = 4'000;
  table.finish(record);
  table.add(job("3", "c"));
  EXPECT_FALSE(table.take(5'000));
  EXPECT_TRUE(table.take(kHour + 1'001)) << "the oldest is an hour ago";
}

TEST(JobTable, AClockThatWasAheadStopsNothing) {
  JobTable table(1);
  JobRecord done = job("0", "z", JobState::kDone);
  done.updated_ms = 86'400'000;
  table.add(done);
  table.add(job("1", "a"));
  EXPECT_FALSE(table.paced(1'000));
  EXPECT_TRUE(table.take(1'000));
}

TEST(JobTable, GoesOnOnceTheHourAllowsAnother) {
  constexpr std::int64_t kHour = 3'600'000;
  JobTable table(1);
  JobRecord done = job("0", "z", JobState::kDone);
  done.updated_ms = 1'000;
  table.add(done);
  table.add(job("1", "a"));
  EXPECT_FALSE(table.may_go_on(kHour + 900)) << "nobody was refused";
  EXPECT_FALSE(table.take(kHour + 900));
  EXPECT_FALSE(table.may_go_on(kHour + 900)) << "not yet";
  // Whether anybody saw it paced meanwhile does not matter.
  EXPECT_TRUE(table.may_go_on(kHour + 1'001));
  EXPECT_FALSE(table.may_go_on(kHour + 1'001)) << "told once";
  EXPECT_TRUE(table.take(kHour + 1'001));
}

TEST(JobTable, DropsWhatWaits) {
  JobTable table;
  table.add(job("1", "a"));
  table.add(job("2", "b"));
  table.add(job("3", "c", JobState::kFailed));
  ASSERT_EQ(table.take(0)->record.id, "1");
  const std::vector<JobRecord> waiting = table.waiting();
  ASSERT_EQ(waiting.size(), 2u) << "not the one that runs";
  EXPECT_EQ(waiting[0].id, "2");
  EXPECT_EQ(waiting[1].id, "3") << "a failed one holds a snapshot, too";
  EXPECT_FALSE(table.drop("1"));
  EXPECT_FALSE(table.drop("4"));
  EXPECT_EQ(table.drop("2")->id, "2");
  EXPECT_FALSE(table.drop("2")) << "it has ended";
  EXPECT_EQ(table.view("2")->record.state, JobState::kDropped);
}

TEST(JobTable, ASkippedJobIsLeftButNotPending) {
  JobTable table;
  JobRecord skipped = job("1", "a", JobState::kSkipped);
  skipped.frozen.clear();
  table.add(skipped);
  EXPECT_FALSE(table.pending("")) << "nothing moves by itself: nobody waits for it";
  EXPECT_TRUE(table.left());
  EXPECT_EQ(table.skipped().size(), 1u);
  skipped.state = JobState::kQueued;
  EXPECT_TRUE(table.settle_skipped(skipped));
  EXPECT_FALSE(table.settle_skipped(skipped));
  EXPECT_TRUE(table.pending("1"));
  ASSERT_TRUE(table.take(0));
}

TEST(JobTable, ASkippedJobCanBeCancelledAndSuperseded) {
  JobTable table;
  table.add(job("1", "a", JobState::kSkipped));
  table.add(job("2", "b", JobState::kSkipped));
  EXPECT_EQ(table.cancel("1").size(), 1u);
  EXPECT_EQ(table.supersede(job("3", "b")).size(), 1u);
  EXPECT_FALSE(table.left());
}

TEST(JobTable, KnowsTheCommitsThatItsBranchHeld) {
  JobTable table;
  JobRecord one = job("1", "a", JobState::kDone);
  one.commit = std::string(40, 'a');
  JobRecord two = job("2", "b", JobState::kDone);
  two.commit = std::string(40, 'b');
  table.add(one);
  table.add(two);
  table.add(job("3", "a"));
  EXPECT_EQ(table.own_commits(job("3", "a")), std::vector{*GitId::from_hex(one.commit)});
}

TEST(JobTable, TellsOutcomesOnceAndInOrder) {
  using Clock = std::chrono::steady_clock;
  JobTable table;
  table.add(job("0", "z", JobState::kDone), JobTable::Origin::kEarlierProcess);
  table.add(job("1", "a"));
  table.add(job("2", "b", JobState::kSkipped));
  EXPECT_EQ(table.wait_for_outcomes(0, Clock::now()), std::vector<std::string>{"2"});
  const auto running = table.take(0);
  std::jthread lane([&] { table.finish(ended(running->record, JobState::kDone)); });
  EXPECT_EQ(table.wait_for_outcomes(1, Clock::now() + std::chrono::seconds(60)),
            std::vector<std::string>{"1"});
  lane.join();
  EXPECT_TRUE(table.wait_for_outcomes(2, Clock::now()).empty());
  table.close();
  EXPECT_TRUE(table.wait_for_outcomes(2, Clock::now() + std::chrono::seconds(60)).empty());
}

}  // namespace
}  // namespace hubrev
