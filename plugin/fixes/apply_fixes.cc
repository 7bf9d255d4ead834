#include "plugin/fixes/apply_fixes.h"

#include <array>
#include <string_view>
#include <utility>

namespace hubrev {
namespace {

struct NamedFix {
  std::string_view name;
  Fix run;
};

// In the order they run; the card comes last because it reads the configuration.
constexpr std::array kFixes = {
    NamedFix{"eos", fix_eos},
    NamedFix{"use_cache", fix_use_cache},
    NamedFix{"card", fix_card},
};

}  // namespace

Result<FixedSnapshot> apply_fixes(Snapshot snapshot, const FixContext& context) {
  FixedSnapshot fixed{std::move(snapshot), {}, {}};
  for (const NamedFix& fix : kFixes) {
    HUBREV_TRY(FixEdit edit, fix.run(fixed.snapshot, context));
    FixReport report{std::string(fix.name), edit.outcome, std::move(edit.detail), {}};
    for (Entry& entry : edit.entries) {
      report.files.push_back(entry.path);
      put_entry(fixed.snapshot, std::move(entry));
    }
    fixed.reports.push_back(std::move(report));
    for (std::string& warning : edit.warnings) fixed.warnings.push_back(std::move(warning));
  }
  return fixed;
}

}  // namespace hubrev
