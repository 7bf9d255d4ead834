#pragma once

#include <stop_token>

#include "plugin/base/result.h"
#include "plugin/pipeline/connection.h"
#include "plugin/types/job_record.h"
#include "plugin/types/settings.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

// A token in a published file is everybody's: better a revision without that file, which the record
// then says, or, by the setting 'secret_scan', none (kInvalidInput). Looks for the connection's own
// token, too. Blocks on reads.
Status withhold_tokens(Snapshot& snapshot, JobRecord& record, const Settings& settings,
                       const Connection& connection, const std::stop_token& stop);

}  // namespace hubrev
