#include "plugin/pipeline/complete.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "plugin/safetensors/completeness.h"
#include "plugin/snapshot/scan.h"

namespace hubrev {

Status check_complete(const std::string& checkpoint, const Selection& selection) {
  HUBREV_TRY(Scan scan, scan_checkpoint(checkpoint, selection, FolderId{}));
  Snapshot live{checkpoint, {}, {}};
  for (ScannedFile& file : scan.files) {
    std::error_code code;
    const std::string source = scan.checkpoint.below(file.source);
    const std::uint64_t size = std::filesystem::file_size(source, code);
    if (code) return errno_error(code.value(), "cannot look at " + source);
    live.entries.push_back({std::move(file.path), Source::from_file(source, size)});
  }
  return check_weights(live);
}

}  // namespace hubrev
