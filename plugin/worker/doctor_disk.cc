#include "plugin/worker/doctor_disk.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iomanip>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>

#include "plugin/base/file.h"
#include "plugin/snapshot/freeze.h"

namespace hubrev {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kCheckpoint = "checkpoint-";  // then the step, as the Trainer names it

// The folder itself or, where it is not made yet, the one that it will be made in.
std::string existing_part(const std::string& folder) {
  std::error_code ignored;
  fs::path path = fs::absolute(folder, ignored);
  while (path.has_relative_path() && !fs::is_directory(path, ignored)) path = path.parent_path();
  return path.string();
}

std::string spool_place(const Settings& settings, const std::string& output_dir) {
  return existing_part(settings.spool_dir.empty() ? output_dir : settings.spool_dir);
}

std::string amount(std::uint64_t bytes) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(1) << static_cast<double>(bytes) / 1e9 << " GB";
  return text.str();
}

// Freezes one file that is just large enough not to be copied for its smallness.
Result<FreezeMethod> try_freezing(const std::string& output_dir, const std::string& spool) {
  const std::string mark = "/_hub_revisions_doctor_" + std::to_string(::getpid());
  const std::string source = existing_part(output_dir) + mark;
  const std::string frozen = spool + mark + "_frozen";
  const auto probe = [&]() -> Result<FreezeOutcome> {
    HUBREV_CHECK(make_private_directory(source));
    HUBREV_CHECK(write_file_atomic(source + "/probe.safetensors",
                                   std::string(kHardLinkFromBytes, '\0'), Durability::kRename));
    return freeze_checkpoint({source, frozen});
  };
  const auto outcome = probe();
  std::error_code ignored;
  fs::remove_all(source, ignored);
  fs::remove_all(frozen, ignored);
  if (!outcome.ok()) return outcome.error();
  return outcome->frozen.front().method;
}

struct SavedCheckpoint {
  std::string name;
  std::uint64_t bytes = 0;
};

std::uint64_t bytes_in(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code code;
  for (fs::recursive_directory_iterator at(folder, code), end; !code && at != end;
       at.increment(code)) {
    std::error_code vanished;
    if (at->is_regular_file(vanished)) bytes += at->file_size(vanished);
    if (vanished) return bytes;  // rotation goes on beside us
  }
  return bytes;
}

std::optional<SavedCheckpoint> newest_checkpoint(const std::string& output_dir) {
  std::optional<fs::path> newest;
  std::uint64_t newest_step = 0;
  std::error_code code;
  for (fs::directory_iterator at(output_dir, code), end; !code && at != end; at.increment(code)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with(kCheckpoint)) continue;
    std::uint64_t step = 0;
    const char* last = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + kCheckpoint.size(), last, step);
    if (parsed.ec != std::errc() || parsed.ptr != last) continue;
    if (!newest || step > newest_step) {
      newest = at->path();
      newest_step = step;
    }
  }
  if (!newest) return std::nullopt;
  return SavedCheckpoint{newest->filename().string(), bytes_in(*newest)};
}

}  // namespace

Finding check_spool(const Settings& settings, const std::string& output_dir) {
  const std::string spool = spool_place(settings, output_dir);
  const Result<FreezeMethod> method = try_freezing(output_dir, spool);
  if (!method.ok()) {
    return {"spool", Verdict::kFail, method.error().message,
            "make room or give the right to write, or set 'spool_dir' to a folder on the "
            "checkpoints' file system that has both"};
  }
  const std::string large = "large files in " + spool + " are ";
  switch (*method) {
    case FreezeMethod::kReflink:
      return {"spool", Verdict::kOk,
              large + "reflinked: a snapshot costs no space and is safe from rewriting", ""};
    case FreezeMethod::kHardLink:
      return {"spool", Verdict::kOk,
              large + "hard-linked: a snapshot costs no space while the checkpoint exists", ""};
    case FreezeMethod::kCopy:
    case FreezeMethod::kPacked:
      break;
  }
  return {"spool", Verdict::kWarn, large + "copied, for which training waits",
          "put 'spool_dir' on the checkpoints' file system"};
}

Finding check_space(const Settings& settings, const std::string& output_dir) {
  const std::string spool = spool_place(settings, output_dir);
  std::error_code code;
  const fs::space_info space = fs::space(spool, code);
  if (code) {
    return {"free space", Verdict::kFail, spool + ": " + code.message(), "set 'spool_dir'"};
  }
  const std::string free = amount(space.available) + " free in " + spool;
  const std::string remedy = "make room, or set 'spool_dir' to a folder with more";
  if (space.available < settings.min_free_bytes) {
    return {"free space", Verdict::kFail,
            free + ", less than the " + amount(settings.min_free_bytes) +
                " that 'min_free_bytes' keeps free: checkpoints would be skipped",
            remedy + ", or lower 'min_free_bytes'"};
  }
  const std::optional<SavedCheckpoint> newest = newest_checkpoint(output_dir);
  if (!newest) return {"free space", Verdict::kOk, free + "; no checkpoint to compare with", ""};
  const std::string compared = free + "; " + newest->name + " has " + amount(newest->bytes);
  if (space.available - settings.min_free_bytes < newest->bytes) {
    return {"free space", Verdict::kWarn,
            compared + ": the next one, or a snapshot that outlives its checkpoint, has no room",
            remedy};
  }
  return {"free space", Verdict::kOk, compared, ""};
}

}  // namespace hubrev
