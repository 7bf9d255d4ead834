#pragma once

#include <string>

#include "plugin/types/job_record.h"

namespace hubrev::testing {

inline JobRecord record_of(const std::string& job_id) {
  JobRecord record;
  record.id = job_id;
  record.revision = "step-000000500";
  record.directory = "/runs/a/checkpoint-500";
  record.step = 500;
  record.metrics["eval_loss"] = 1.25;
  record.created_ms = 1'769'860'800'123;
  record.frozen.push_back({"config.json", FreezeMethod::kCopy, {7, 2, 1'000}});
  record.frozen.push_back({"model.safetensors", FreezeMethod::kHardLink, {8, 4096, 2'000}});
  record.excluded = {"optimizer.pt"};
  return record;
}

}  // namespace hubrev::testing
