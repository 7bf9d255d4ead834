#include "plugin/lfs/group_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <thread>

namespace hubrev {
namespace {

constexpr std::uint64_t kLarge = 100ull << 20;
constexpr std::uint64_t kSmall = 1ull << 20;

// Nothing is read.
std::vector<LfsFile> files_of(std::size_t large, std::size_t small) {
  std::vector<LfsFile> files;
  for (std::size_t i = 0; i < large + small; ++i) {
    const std::string path = "/nowhere/" + std::to_string(i);
    files.push_back({path, Source::from_file(path, i < large ? kLarge : kSmall)});
  }
  return files;
}

std::vector<FileGroup> take_to_hash(GroupQueue& queue) {
  auto work = queue.take({});
  EXPECT_TRUE(work.ok());
  return std::get<GroupQueue::Hash>(*work).groups;
}

FileGroup take_to_send(GroupQueue& queue) {
  auto work = queue.take({});
  EXPECT_TRUE(work.ok());
  return std::get<GroupQueue::Send>(*work).group;
}

TEST(GroupQueue, LargeFilesAreHashedTogetherAndSentOneByOne) {
  GroupQueue queue(files_of(8, 0), 1);
  EXPECT_EQ(queue.size(), 8u);
  auto together = take_to_hash(queue);
  EXPECT_EQ(together, (std::vector<FileGroup>{{0}, {1}, {2}}));
  queue.put_hashed(together);
  EXPECT_EQ(take_to_send(queue), FileGroup{0});
  EXPECT_EQ(take_to_send(queue), FileGroup{1});
  EXPECT_EQ(take_to_send(queue), FileGroup{2});
  EXPECT_EQ(take_to_hash(queue), (std::vector<FileGroup>{{3}, {4}, {5}}));
}

TEST(GroupQueue, FewLargeFilesAreSpreadOverTheThreads) {
  GroupQueue alone(files_of(2, 0), 1);
  EXPECT_EQ(take_to_hash(alone).size(), 2u);
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "needs two cores";
  GroupQueue two(files_of(2, 0), 2);
  EXPECT_EQ(take_to_hash(two).size(), 1u);
  EXPECT_EQ(take_to_hash(two).size(), 1u);
}

TEST(GroupQueue, SmallFilesShareAGroupThatIsTakenAlone) {
  GroupQueue queue(files_of(2, 40), 1);
  EXPECT_EQ(take_to_hash(queue), (std::vector<FileGroup>{{0}, {1}}));
  const auto small = take_to_hash(queue);
  ASSERT_EQ(small.size(), 1u);
  EXPECT_GT(small.front().size(), 1u);
}

TEST(GroupQueue, WhoFindsNothingWaitsForTheHashesOfOthers) {
  GroupQueue queue(files_of(1, 0), 2);
  const auto hashing = take_to_hash(queue);
  FileGroup sent;
  std::thread other([&] { sent = take_to_send(queue); });
  queue.put_hashed(hashing);
  other.join();
  EXPECT_EQ(sent, FileGroup{0});
}

TEST(GroupQueue, WhoWaitsIsStopped) {
  GroupQueue queue(files_of(1, 0), 2);
  (void)take_to_hash(queue);
  std::stop_source stop;
  ErrorKind kind{};
  std::thread other([&] { kind = queue.take(stop.get_token()).error().kind; });
  stop.request_stop();
  other.join();
  EXPECT_EQ(kind, ErrorKind::kCancelled);
}

TEST(GroupQueue, EachFileIsHashedOnceAndSentOnce) {
  constexpr std::size_t kLargeFiles = 50;
  constexpr std::size_t kSmallFiles = 300;
  GroupQueue queue(files_of(kLargeFiles, kSmallFiles), 4);
  std::mutex mutex;  // guards both
  FileGroup hashed;
  FileGroup sent;
  const auto note = [&](FileGroup& list, const FileGroup& group) {
    const std::lock_guard lock(mutex);
    list.insert(list.end(), group.begin(), group.end());
  };
  const auto send_one = [&] {
    for (;;) {
      auto work = queue.take({});
      if (const auto* send = std::get_if<GroupQueue::Send>(&*work)) {
        note(sent, send->group);
        return;
      }
      auto& hash = std::get<GroupQueue::Hash>(*work);
      for (const FileGroup& group : hash.groups) note(hashed, group);
      queue.put_hashed(std::move(hash.groups));
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < queue.size(); ++i) threads.emplace_back(send_one);
  for (std::thread& thread : threads) thread.join();
  FileGroup all(kLargeFiles + kSmallFiles);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  std::sort(hashed.begin(), hashed.end());
  std::sort(sent.begin(), sent.end());
  EXPECT_EQ(hashed, all);
  EXPECT_EQ(sent, all);
}

}  // namespace
}  // namespace hubrev
