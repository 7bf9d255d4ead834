// Cancellation in every place that looks at it.
#include <gtest/gtest.h>

#include <array>

#include "plugin/git/stream.h"
#include "tests/unit/git/git_server.h"

namespace hubrev::testing {
namespace {

constexpr const char* kRef = "refs/heads/step-10";
constexpr const char* kResult = "application/x-git-receive-pack-result";

// Stop is requested while request number n is under way: no request follows it.
TEST(Cancel, NoRequestFollowsTheStop) {
  const auto calls = std::to_array<std::function<Status(World&)>>({
      [](World& world) -> Status {
        HUBREV_CHECK(world.push(world.commit("x"), kRef));
        return {};
      },
      [](World& world) {
        return fetch(world.repository, world.remote, {"refs/heads/main"}, world.stop.get_token());
      },
      [](World& world) -> Status {
        HUBREV_CHECK(list_refs(world.repository, world.remote, world.stop.get_token()));
        return {};
      },
  });
  for (const auto& call : calls) {
    for (std::size_t number = 0;; ++number) {
      World world;
      world.server.git("update-ref refs/heads/main " + world.server.foreign_commit("x"));
      world.before = [&](const SeenRequest&, std::size_t count) {
        if (count == number) world.stop.request_stop();
        return std::nullopt;
      };
      const Status status = call(world);
      if (!world.stop.stop_requested()) break;  // that many requests are not made
      EXPECT_EQ(world.seen().size(), number + 1);
      // A success is one whose whole answer was there already.
      EXPECT_TRUE(status.ok() || status.error().kind == ErrorKind::kCancelled)
          << status.error().message;
      ASSERT_LT(number, 10u);
    }
  }
}

TEST(Cancel, BeforeTheCallNothingIsSent) {
  World world;
  world.stop.request_stop();
  EXPECT_EQ(world.push(world.commit("x"), kRef).error().kind, ErrorKind::kCancelled);
  EXPECT_EQ(list_refs(world.repository, world.remote, world.stop.get_token()).error().kind,
            ErrorKind::kCancelled);
  EXPECT_TRUE(world.seen().empty());
}

TEST(Cancel, AtEachWriteAndEachRead) {
  constexpr int kWrites = 17;
  constexpr int kReads = 5;
  for (int step = 0; step <= kWrites + kReads; ++step) {
    World world;
    world.before = [](const SeenRequest&, std::size_t) {
      return respond(200, "0008abc\n0008abc\n0000", {{"content-type", kResult}});
    };
    Exchange exchange(world.repository, world.remote, world.stop.get_token(), "pushing to");
    Stream stream(exchange, StreamAction::kCall, GitService::kReceivePack);
    int done = 0;
    for (; done < kWrites + kReads; ++done) {
      if (done == step) world.stop.request_stop();
      std::array<char, 4> buffer{};
      const Status status = [&]() -> Status {
        if (done < kWrites) return stream.write("piece");
        HUBREV_TRY(const std::size_t got, stream.read(buffer));
        EXPECT_EQ(got, buffer.size());
        return {};
      }();
      if (status.ok()) continue;
      EXPECT_EQ(status.error().kind, ErrorKind::kCancelled);
      break;
    }
    EXPECT_EQ(done, step == kWrites + kReads ? kWrites + kReads : step);
    EXPECT_EQ(world.seen().size(), step <= kWrites ? 0u : 1u) << step;
    for (const SeenRequest& request : world.seen()) {
      EXPECT_EQ(request.body.size(), kWrites * 5u);
    }
  }
}

}  // namespace
}  // namespace hubrev::testing
