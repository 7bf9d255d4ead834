#pragma once
// What the doctor finds out about this machine's disks. Private to this layer.

#include "plugin/worker/doctor.h"

namespace hubrev {

// Freezes one file of output_dir into the spool's folder, and removes both.
Finding check_spool(const Settings& settings, const std::string& output_dir);

// Compares what is free where the spool is with the newest checkpoint of output_dir.
Finding check_space(const Settings& settings, const std::string& output_dir);

}  // namespace hubrev
