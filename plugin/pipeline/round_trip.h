#pragma once
// Whether everything that a push does works with a repository, tried with a file of one kibibyte.

#include <stop_token>

#include "plugin/base/clock.h"
#include "plugin/base/pool.h"
#include "plugin/pipeline/connection.h"

namespace hubrev {

inline constexpr std::size_t kRoundTripBytes = 1024;

// Sends bytes that no server has seen by LFS, commits their pointer to a branch of its own, reads
// the branch and the bytes again, and removes branch and bytes: after an error, too, and once
// `stop` is requested, which the removing does not heed. What processes that were killed in
// between have left is removed by the next call, after an hour. Blocks. `target` names the
// repository; its revision does not matter.
Status round_trip(Connection& connection, Target target, ThreadPool& pool, Clock& clock,
                  const std::stop_token& stop);

}  // namespace hubrev
