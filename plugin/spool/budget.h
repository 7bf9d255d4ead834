#pragma once
// Whether the spool has room for one more checkpoint, by the settings max_spool_bytes,
// min_free_bytes and max_pending.

#include <cstdint>
#include <limits>
#include <vector>

#include "plugin/spool/spool.h"
#include "plugin/types/settings.h"

namespace hubrev {

// What the jobs of a spool use.
struct SpoolUse {
  std::size_t pending = 0;           // jobs that wait or run
  std::vector<JobRecord> snapshots;  // those that hold a snapshot; only read with max_spool_bytes
};

// Bytes that the job's frozen files keep on disk beyond the live checkpoint: copies, and linked or
// reflinked files that the checkpoint no longer has. A few system calls for each file.
std::uint64_t held_bytes(const Spool& spool, const JobRecord& record);

// Of these, what makes room when the job ends. 0 of a snapshot whose large files are all links to
// the checkpoint's: what its small ones hold is not worth a revision.
std::uint64_t freed_by_its_end(const Spool& spool, const JobRecord& record);

// Bytes that must be freed before so many may be copied, by the limits that are about bytes.
std::uint64_t missing_bytes(const Settings& settings, const Spool& spool, const SpoolUse& use,
                            std::uint64_t wanted);

// How many bytes freezing may copy. kNoSpace names the limit that is reached, and its setting.
Result<std::uint64_t> find_room(const Settings& settings, const Spool& spool, const SpoolUse& use);

}  // namespace hubrev
