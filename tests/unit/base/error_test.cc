#include "plugin/base/error.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "plugin/base/result.h"

namespace hubrev {
namespace {

TEST(ErrorKind, NamesAndRetries) {
  struct Row {
    ErrorKind kind;
    const char* name;
    bool retryable;
  };
  const Row rows[] = {
      {ErrorKind::kCancelled, "cancelled", false},
      {ErrorKind::kTimeout, "timeout", true},
      {ErrorKind::kNetwork, "network", true},
      {ErrorKind::kRateLimited, "rate_limited", true},
      {ErrorKind::kServer, "server", true},
      {ErrorKind::kAuth, "auth", false},
      {ErrorKind::kNotFound, "not_found", false},
      {ErrorKind::kConflict, "conflict", false},
      {ErrorKind::kRejected, "rejected", false},
      {ErrorKind::kInvalidInput, "invalid_input", false},
      {ErrorKind::kCorrupt, "corrupt", false},
      {ErrorKind::kIo, "io", false},
      {ErrorKind::kConfig, "config", false},
      {ErrorKind::kInternal, "internal", false},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(to_string(row.kind), row.name);
    EXPECT_EQ(error_kind_from_string(row.name), row.kind);
    EXPECT_EQ(retryable(row.kind), row.retryable) << row.name;
  }
  EXPECT_FALSE(error_kind_from_string("Timeout").has_value());
  EXPECT_FALSE(error_kind_from_string("").has_value());
}

TEST(Error, KeepsItsCauseUnderContext) {
  Error error = errno_error(ENOENT, "cannot open x");
  EXPECT_EQ(error.kind, ErrorKind::kIo);
  EXPECT_EQ(error.message, "cannot open x: No such file or directory");
  error.http_status = 503;
  error.request_id = "abc";
  error.retry_after = std::chrono::milliseconds(7);
  const Error outer = with_context(error, "job 1");
  EXPECT_EQ(outer.message, "job 1: cannot open x: No such file or directory");
  EXPECT_EQ(outer.kind, ErrorKind::kIo);
  EXPECT_EQ(outer.http_status, 503);
  EXPECT_EQ(outer.request_id, "abc");
  EXPECT_EQ(outer.retry_after, std::chrono::milliseconds(7));
}

Result<int> half(int n) {
  if (n % 2 != 0) return make_error(ErrorKind::kInvalidInput, "odd");
  return n / 2;
}

Status quarter(int n, int& out) {
  HUBREV_TRY(const int once, half(n));
  HUBREV_CHECK(half(once));
  HUBREV_TRY(out, half(once));
  return {};
}

TEST(Result, TryAndCheckPassTheErrorOn) {
  int out = 0;
  EXPECT_TRUE(quarter(12, out).ok());
  EXPECT_EQ(out, 3);
  EXPECT_EQ(quarter(5, out).error().message, "odd");
  EXPECT_EQ(quarter(6, out).error().message, "odd");
  EXPECT_EQ(out, 3);
}

}  // namespace
}  // namespace hubrev
