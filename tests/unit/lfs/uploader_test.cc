#include "plugin/lfs/uploader.h"

#include <atomic>
#include <future>
#include <thread>

#include "tests/support/temp_dir.h"
#include "tests/unit/lfs/lfs_fixture.h"

namespace hubrev {
namespace {

using testing::FakeHttp;
using testing::respond;
using testing::SeenRequest;
using testing::TempDir;

constexpr std::size_t kMiB = 1 << 20;

class Uploader : public testing::LfsTest {
 protected:
  // The number of objects in each batch request.
  std::multiset<std::size_t> batch_sizes() const {
    std::multiset<std::size_t> sizes;
    for (const SeenRequest& one : http_.seen()) {
      if (one.method == "POST") sizes.insert(nlohmann::json::parse(one.body)["objects"].size());
    }
    return sizes;
  }
};

TEST_F(Uploader, StoresEveryFileAndAnswersInTheirOrder) {
  lfs_.wants_verify = true;
  std::vector<LfsFile> files = {file("big.bin", std::string(9 * kMiB, 'x')), file("b", "bbb"),
                                file("a", "aa")};
  const auto objects = upload(files);
  ASSERT_TRUE(objects.ok()) << objects.error().message;
  ASSERT_EQ(objects->size(), 3u);
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string bytes = *files[i].source.read_all(10 * kMiB);
    EXPECT_EQ(objects->at(i).path, files[i].path);
    EXPECT_EQ(objects->at(i).oid, sha256(bytes));
    EXPECT_EQ(objects->at(i).size, bytes.size());
    EXPECT_EQ(lfs_.stored.at(sha256(bytes).hex()), bytes);
  }
  EXPECT_EQ(progress_.bytes_hashed, 9 * kMiB + 5);
  EXPECT_EQ(progress_.bytes_sent, 9 * kMiB + 5);
  EXPECT_EQ(count(verify_key()), 3);
}

TEST_F(Uploader, NothingToUploadTouchesNothing) {
  const auto objects = upload({});
  ASSERT_TRUE(objects.ok());
  EXPECT_TRUE(objects->empty());
  EXPECT_TRUE(http_.seen().empty());
}

TEST_F(Uploader, AsksForSmallFilesTogether) {
  std::vector<LfsFile> files = {file("0", std::string(9 * kMiB, '0'))};
  for (int i = 0; i < 4; ++i)
    files.push_back(file("s" + std::to_string(i), "s" + std::to_string(i)));
  ASSERT_TRUE(upload(files).ok());
  EXPECT_EQ(batch_sizes(), (std::multiset<std::size_t>{1, 4}));
}

TEST_F(Uploader, ABatchHoldsAtMostAHundredObjects) {
  std::vector<LfsFile> files;
  for (int i = 0; i < 250; ++i) files.push_back(file(std::to_string(i), std::to_string(i)));
  ASSERT_TRUE(upload(files).ok());
  EXPECT_EQ(batch_sizes(), (std::multiset<std::size_t>{50, 100, 100}));
  EXPECT_EQ(lfs_.stored.size(), 250u);
}

// Few requests, but no thread without work while another has much.
TEST_F(Uploader, GroupsAreSmallEnoughToKeepEveryThreadBusy) {
  const auto sizes_for = [&](int count) {
    std::vector<LfsFile> files;
    for (int i = 0; i < count; ++i) {
      const std::string bytes(5 * kMiB, static_cast<char>('a' + i));
      lfs_.stored[sha256(bytes).hex()] = "";  // nothing is to be sent
      files.push_back(file(std::to_string(i), bytes));
    }
    EXPECT_TRUE(upload(files).ok());
    return batch_sizes();
  };
  ASSERT_EQ(pool_.threads(), 3u);
  EXPECT_EQ(sizes_for(4), (std::multiset<std::size_t>{1, 1, 1, 1}));
  const auto before = batch_sizes();
  auto all = sizes_for(24);
  for (const std::size_t one : before) all.erase(all.find(one));
  EXPECT_EQ(all, (std::multiset<std::size_t>{4, 4, 4, 4, 4, 4}));
}

TEST_F(Uploader, IdenticalFilesAreSentOnce) {
  const std::string big(8 * kMiB, 'x');
  std::vector<LfsFile> files;
  for (const char* path : {"a", "b", "c", "d"}) files.push_back(file(path, big));
  for (const char* path : {"e", "f", "g"}) files.push_back(file(path, "same"));
  const auto objects = upload(files);
  ASSERT_TRUE(objects.ok());
  EXPECT_EQ(count(put_key(big)), 1);
  EXPECT_EQ(count(put_key("same")), 1);
  EXPECT_EQ(objects->at(3).oid, sha256(big));
  EXPECT_EQ(objects->at(6).path, "g");
  EXPECT_EQ(progress_.bytes_sent, big.size() + 4);
  EXPECT_EQ(progress_.bytes_present, 3 * big.size() + 8);
}

TEST_F(Uploader, TwoUploadsSideBySideSendASharedFileOnce) {
  const std::vector<LfsFile> files = {file("shared.bin", std::string(kMiB, 's')), file("b", "b")};
  std::promise<void> first_is_sending;
  std::promise<void> second_has_asked;
  FakeHttp slow([&](const SeenRequest& request) {
    if (request.method == "PUT" && request.body.size() == kMiB) {
      first_is_sending.set_value();  // throws if it is sent again
      // The other one waits for its turn meanwhile, so it cannot have asked.
      EXPECT_EQ(second_has_asked.get_future().wait_for(std::chrono::milliseconds(100)),
                std::future_status::timeout);
    }
    return lfs_(request);
  });
  FakeHttp quick([&](const SeenRequest& request) {
    second_has_asked.set_value();  // its batch is all it asks: nothing is left to send
    return lfs_(request);
  });
  UploadContext first = context_;
  first.http = &slow;
  std::jthread lane([&] { EXPECT_TRUE(upload_files(files, server_, first, {}).ok()); });
  first_is_sending.get_future().wait();
  context_.http = &quick;
  EXPECT_TRUE(upload(files).ok());
}

TEST_F(Uploader, WhoWaitsForAnotherUploadCanBeCancelled) {
  const auto turn = in_flight_.take(server_.url, {sha256("a")}, {});
  ASSERT_TRUE(turn.ok());
  std::jthread canceller([&] { stop_.request_stop(); });
  const auto objects = upload({file("a", "a")});
  ASSERT_FALSE(objects.ok());
  EXPECT_EQ(objects.error().kind, ErrorKind::kCancelled);
  EXPECT_TRUE(http_.seen().empty());
}

TEST_F(Uploader, AFileThatChangedStopsItAfterHashingAndBeforeAnyRequest) {
  context_.still_unchanged = [&]() -> Status {
    EXPECT_EQ(progress_.bytes_hashed, 3u);
    return make_error(ErrorKind::kCorrupt, "model.bin changed while pending");
  };
  const auto objects = upload({file("model.bin", "abc")});
  ASSERT_FALSE(objects.ok());
  EXPECT_EQ(objects.error().kind, ErrorKind::kCorrupt);
  EXPECT_TRUE(http_.seen().empty());
}

TEST_F(Uploader, AFileCutShortIsCorrupt) {
  const TempDir dir;
  const auto objects = upload({{"model.bin", Source::from_file(dir.write("m", "abc"), 9)}});
  ASSERT_FALSE(objects.ok());
  EXPECT_EQ(objects.error().kind, ErrorKind::kCorrupt);
  EXPECT_NE(objects.error().message.find("model.bin"), std::string::npos);
  EXPECT_TRUE(http_.seen().empty());
}

TEST_F(Uploader, TheFirstErrorStopsTheRestAndIsTheOneReported) {
  const std::string bad(8 * kMiB, 'b');
  script(put_key(bad), 1, respond(422, R"({"message":"too odd"})"));
  std::vector<LfsFile> files = {file("bad.bin", bad)};
  for (char c = 'c'; c < 'c' + 20; ++c)
    files.push_back(file(std::string(1, c), std::string(8 * kMiB, c)));
  ThreadPool one_at_a_time(1, ThreadPriority::kNormal);
  context_.pool = &one_at_a_time;
  const auto objects = upload(files);
  ASSERT_FALSE(objects.ok());
  EXPECT_EQ(objects.error().kind, ErrorKind::kRejected);
  EXPECT_NE(objects.error().message.find("bad.bin"), std::string::npos);
  EXPECT_NE(objects.error().message.find("too odd"), std::string::npos);
  EXPECT_EQ(http_.seen().size(), 2u) << "nothing is begun after the error";
}

TEST_F(Uploader, CancelledBeforeItBeginsItTouchesNothing) {
  stop_.request_stop();
  const auto objects = upload({file("a", "a"), file("b", std::string(8 * kMiB, 'b'))});
  ASSERT_FALSE(objects.ok());
  EXPECT_EQ(objects.error().kind, ErrorKind::kCancelled);
  EXPECT_TRUE(http_.seen().empty());
}

TEST_F(Uploader, CancelledAtAnyRequestItSendsNoOther) {
  lfs_.wants_verify = true;
  const std::vector<LfsFile> files = {file("b", "bb"), file("a", "a")};
  constexpr std::size_t kRequests = 5;  // batch, then PUT and verify of each
  for (std::size_t at = 1; at <= kRequests; ++at) {
    lfs_.stored.clear();
    std::stop_source stop;
    std::atomic<std::size_t> requests{0};
    FakeHttp http([&](const SeenRequest& request) {
      if (++requests == at) stop.request_stop();
      return lfs_(request);
    });
    context_.http = &http;
    const auto objects = upload_files(files, server_, context_, stop.get_token());
    EXPECT_EQ(requests, at);
    // The very last answer completes the upload; cancelling then comes too late.
    EXPECT_EQ(objects.ok(), at == kRequests) << at;
    if (!objects.ok()) {
      EXPECT_EQ(objects.error().kind, ErrorKind::kCancelled) << at;
    }
  }
}

TEST_F(Uploader, AVirtualShardIsReadThroughItsRanges) {
  const TempDir dir;
  const std::string path = dir.write("frozen", "....tensor-one....tensor-two");
  const Source shard =
      Source::concatenate({Source::from_bytes("header:"), Source::from_range({path, 4, 10}),
                           Source::from_range({path, 18, 10})});
  const auto objects = upload({{"shard.safetensors", shard}});
  ASSERT_TRUE(objects.ok());
  const std::string bytes = "header:tensor-onetensor-two";
  EXPECT_EQ(objects->at(0).oid, sha256(bytes));
  EXPECT_EQ(lfs_.stored.at(sha256(bytes).hex()), bytes);
}

}  // namespace
}  // namespace hubrev
