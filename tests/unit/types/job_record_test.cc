#include "plugin/types/job_record.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

namespace hubrev {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

JobRecord full_record() {
  JobRecord r;
  r.id = "20260131T120000123Z-9f3a1c";
  r.revision = "step-000000500";
  r.directory = "/runs/caf\xC3\xA9/checkpoint-500";
  r.from_spool = "../checkpoint-500";
  r.saved_ns = 1'769'860'799'000'000'001;
  r.step = 500;
  r.epoch = 1.5;
  r.tokens = 1'048'576;
  r.metrics = {{"eval_loss", 0.1}, {"eval_accuracy", 0.875}};
  r.eos_token_id = 151'645;
  r.created_ms = 1'769'860'800'123;
  r.settings = share_settings({{"repo_id", "a/b"}, {"tags", {"x", "y"}}});
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  r.frozen = {{"config.json", FreezeMethod::kCopy, {1, 2, 3}, 0, 2},
              {"model.safetensors", FreezeMethod::kHardLink, {kMax, 1ull << 40, -5}, 0, 1ull << 40},
              {"small.json", FreezeMethod::kPacked, {5, kMax, 6}, kMax - 7, 7},
              {"vocab.json", FreezeMethod::kReflink, {7, 8, 1'769'860'800'123'456'789}, 0, 8}};
  r.excluded = {"optimizer.pt", "global_step5/"};
  r.skipped_folder = FileStamp{9, 0, 10};
  r.revision += "-2";
  r.suffix = 2;
  r.state = JobState::kFailed;
  r.error = make_error(ErrorKind::kRateLimited, "too many requests");
  r.error->http_status = 429;
  r.error->request_id = "Root=1-2";
  r.fixes = {{"eos", FixOutcome::kApplied, "set to 5", {"generation_config.json"}},
             {"card", FixOutcome::kSkipped, "off", {}},
             {"use_cache", FixOutcome::kUnchanged, "", {}}};
  r.warnings = {"one", "two"};
  r.commit = std::string(40, 'a');
  r.updated_ms = 1'769'860'900'000;
  r.freeze_ms = 1.25;
  r.push_seconds = 12.5;
  r.bytes_total = 1ull << 41;
  r.bytes_sent = 1ull << 40;
  r.bytes_present = 3;
  r.attempts = 2;
  return r;
}

json as_json(const JobRecord& record) {
  return json::parse(to_text(record));
}

TEST(JobRecord, RoundTrips) {
  for (const JobRecord& record : {full_record(), JobRecord()}) {
    const std::string written = to_text(record);
    const auto read = job_record_from_json(written);
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(to_text(read.value()), written);
  }
  // What to_text() would hide from the comparison above.
  const JobRecord read = job_record_from_json(to_text(full_record())).value();
  const JobRecord record = full_record();
  ASSERT_EQ(read.frozen.size(), record.frozen.size());
  for (std::size_t i = 0; i < record.frozen.size(); ++i) {
    EXPECT_EQ(read.frozen[i].path, record.frozen[i].path);
    EXPECT_EQ(read.frozen[i].method, record.frozen[i].method);
    EXPECT_EQ(read.frozen[i].stamp, record.frozen[i].stamp);
    EXPECT_EQ(read.frozen[i].offset, record.frozen[i].offset);
    EXPECT_EQ(read.frozen[i].length, record.frozen[i].length);
  }
  EXPECT_EQ(read.metrics, record.metrics);
  EXPECT_EQ(read.step, record.step);
  EXPECT_EQ(read.epoch, record.epoch);
  EXPECT_EQ(read.tokens, record.tokens);
  EXPECT_EQ(read.eos_token_id, record.eos_token_id);
  EXPECT_EQ(read.error->kind, ErrorKind::kRateLimited);
  EXPECT_EQ(read.fixes[0].outcome, FixOutcome::kApplied);
  EXPECT_EQ(read.bytes_total, record.bytes_total);
  EXPECT_FALSE(job_record_from_json(to_text(JobRecord())).value().step.has_value());
}

TEST(JobRecord, ItsTextIsForPeople) {
  JobRecord record;
  record.frozen = {{"config.json", FreezeMethod::kPacked, {1, 30, -3}, 10, 20},
                   {"a \"b\\ \xC3\xA9\xFF", FreezeMethod::kCopy, {4, 5, 6}, 0, 5}};
  record.settings = share_settings({{"repo_id", "a/b"}, {"tags", {"x"}}});
  EXPECT_THAT(to_text(record), ::testing::EndsWith(R"(,
 "frozen": [
  {"path": "config.json", "method": "packed", "inode": 1, "size": 30, "mtime_ns": -3, "offset": 10, "length": 20},
  {"path": "a \"b\\ é�", "method": "copy", "inode": 4, "size": 5, "mtime_ns": 6, "offset": 0, "length": 5}],
 "settings": {
  "repo_id": "a/b",
  "tags": [
   "x"
  ]
 }
}
)"));
}

TEST(JobRecord, AMetricThatIsNoNumberIsDropped) {
  JobRecord record = full_record();
  record.metrics["nan"] = std::nan("");
  record.metrics["inf"] = std::numeric_limits<double>::infinity();
  record.epoch = std::nan("");
  const auto read = job_record_from_json(to_text(record));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read.value().metrics, full_record().metrics);
  EXPECT_FALSE(read.value().epoch.has_value());
}

TEST(JobRecord, WithoutAnyOneKeyItIsCorruptOrKeepsTheDefault) {
  const json whole = as_json(full_record());
  for (const auto& [key, value] : whole.items()) {
    json cut = whole;
    cut.erase(key);
    const auto read = job_record_from_json(cut.dump());
    if (key == "step" || key == "epoch" || key == "tokens" || key == "eos_token_id" ||
        key == "skipped_folder" || key == "suffix" || key == "from_spool" || key == "saved_ns") {
      EXPECT_TRUE(read.ok()) << key;
    } else {
      ASSERT_FALSE(read.ok()) << key;
      EXPECT_EQ(read.error().kind, ErrorKind::kCorrupt);
      EXPECT_THAT(read.error().message, HasSubstr("not a job record"));
      EXPECT_THAT(read.error().message, HasSubstr(key));
    }
  }
}

TEST(JobRecord, ValuesOfAnotherTypeAreCorrupt) {
  const json whole = as_json(full_record());
  for (const char* key : {"id", "revision", "directory", "state", "commit"}) {
    for (const json& value : {json(7), json(nullptr), json::array(), json::object()}) {
      json bad = whole;
      bad[key] = value;
      EXPECT_FALSE(job_record_from_json(bad.dump()).ok()) << key << " " << value;
    }
  }
  for (const char* key :
       {"step", "created_ms", "updated_ms", "freeze_ms", "bytes_total", "attempts"}) {
    for (const json& value : {json("7"), json::array(), json::object()}) {
      json bad = whole;
      bad[key] = value;
      EXPECT_FALSE(job_record_from_json(bad.dump()).ok()) << key << " " << value;
    }
  }
  for (const char* key : {"frozen", "fixes", "excluded", "warnings"}) {
    for (const json& value : {json("7"), json{1}, json{{"a", 1}}, json{{{"path", 1}}}}) {
      json bad = whole;
      bad[key] = value;
      EXPECT_FALSE(job_record_from_json(bad.dump()).ok()) << key << " " << value;
    }
  }
}

TEST(JobRecord, SizesThatAreNoneAreCorrupt) {
  for (const char* key : {"inode", "size", "offset", "length"}) {
    for (const json& value : {json(-1), json(0.5), json(1e300), json("7"), json(nullptr)}) {
      json bad = as_json(full_record());
      bad["frozen"][2][key] = value;
      const auto read = job_record_from_json(bad.dump());
      ASSERT_FALSE(read.ok()) << key << " " << value;
      EXPECT_EQ(read.error().kind, ErrorKind::kCorrupt);
    }
    json bad = as_json(full_record());
    bad["frozen"][2].erase(key);
    EXPECT_FALSE(job_record_from_json(bad.dump()).ok()) << key;
  }
}

TEST(JobRecord, UnknownNamesAreCorrupt) {
  struct Row {
    json::json_pointer where;
    const char* value;
  };
  const Row rows[] = {{json::json_pointer("/state"), "resting"},
                      {json::json_pointer("/frozen/0/method"), "teleport"},
                      {json::json_pointer("/fixes/0/outcome"), "maybe"}};
  for (const Row& row : rows) {
    json bad = as_json(full_record());
    bad[row.where] = row.value;
    const auto read = job_record_from_json(bad.dump());
    ASSERT_FALSE(read.ok()) << row.value;
    EXPECT_EQ(read.error().kind, ErrorKind::kCorrupt);
  }
}

TEST(JobRecord, HostileTextIsCorrupt) {
  const std::string texts[] = {
      "",
      "null",
      "[]",
      "{",
      "{}",
      "{}{}",
      "NaN",
      std::string(100, '\0'),
      "\xFF\xFE",
      "{\"id\": \"\xFF\"}",
      std::string(1'000'000, '['),
      std::string(1'000'000, '[') + std::string(1'000'000, ']'),
  };
  for (const std::string& text : texts) {
    const auto read = job_record_from_json(text);
    ASSERT_FALSE(read.ok()) << text.substr(0, 20);
    EXPECT_EQ(read.error().kind, ErrorKind::kCorrupt);
    EXPECT_LT(read.error().message.size(), 1000u);
  }
}

TEST(JobRecord, SettingsNestedWithoutEndAreCorrupt) {
  std::string text = to_text(full_record());
  const std::string settings = full_record().settings->text;
  constexpr std::size_t kDepth = 500'000;
  text.replace(text.find(settings), settings.size(),
               std::string(kDepth, '[') + std::string(kDepth, ']'));
  const auto read = job_record_from_json(text);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().kind, ErrorKind::kCorrupt);
}

TEST(JobState, NamesAndEnds) {
  struct Row {
    JobState state;
    const char* name;
    bool final;
  };
  const Row rows[] = {
      {JobState::kQueued, "queued", false},         {JobState::kFixing, "fixing", false},
      {JobState::kUploading, "uploading", false},   {JobState::kPushing, "pushing", false},
      {JobState::kConfirming, "confirming", false}, {JobState::kDone, "done", true},
      {JobState::kFailed, "failed", true},          {JobState::kCancelled, "cancelled", true},
      {JobState::kSuperseded, "superseded", true},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(to_string(row.state), row.name);
    EXPECT_EQ(job_state_from_string(row.name), row.state);
    EXPECT_EQ(is_final(row.state), row.final) << row.name;
  }
  EXPECT_FALSE(job_state_from_string("Done").has_value());
}

}  // namespace
}  // namespace hubrev
