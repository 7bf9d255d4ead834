#include "plugin/pipeline/prune_rules.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "plugin/pipeline/remote_repository.h"

namespace hubrev {
namespace {

// "" for what is no branch.
std::string_view branch_of(const KnownRef& ref) {
  const std::string_view name = ref.name;
  return name.starts_with(kBranchPrefix) ? name.substr(kBranchPrefix.size()) : std::string_view();
}

// "branch 'x'", "tag 'v1'", "refs/pr/1".
std::string shown_ref(const KnownRef& ref) {
  if (const auto branch = branch_of(ref); !branch.empty()) {
    return "branch '" + std::string(branch) + "'";
  }
  if (ref.name.starts_with(kTagPrefix)) return "tag '" + ref.name.substr(kTagPrefix.size()) + "'";
  return ref.name;
}

const KnownRef* find_branch(const std::vector<KnownRef>& refs, const std::string& branch) {
  const auto at = std::find_if(refs.begin(), refs.end(),
                               [&](const KnownRef& ref) { return ref.name == branch_ref(branch); });
  return at == refs.end() ? nullptr : &*at;
}

// What holds whatever else is deleted; "" when nothing does.
std::string reason_of_its_own(const RevisionAt& wanted, const KnownRef& ref,
                              const std::vector<KnownRef>& refs) {
  if (wanted.revision == "main" || wanted.revision == kRecordsBranch) {
    return "this branch is never pruned";
  }
  if (ref.commit != wanted.commit) {
    return "it is at " + ref.commit.hex() + " now: somebody else changed it meanwhile";
  }
  if (ref.published_as.empty()) return "hub-revisions did not publish it";
  if (!is_revision(ref)) return "it is another name for '" + ref.published_as + "'";
  for (const KnownRef& other : refs) {
    if (other.name != ref.name && other.commit == ref.commit) {
      return shown_ref(other) + " points to it";
    }
  }
  return "";
}

class Judgement {
 public:
  Judgement(const std::vector<RevisionAt>& wanted, const std::vector<KnownRef>& refs)
      : refs_(refs) {
    std::set<std::string> names;
    for (const RevisionAt& one : wanted) {
      if (names.insert(one.revision).second) verdicts_.push_back(first_verdict(one));
    }
  }

  // What is kept may itself be what another one was promoted into, so this is repeated until
  // nothing changes.
  void keep_promoted() {
    for (bool changed = true; changed;) {
      changed = false;
      std::map<GitId, const KnownRef*> reached;
      for (const KnownRef& ref : refs_) {
        if (is_doomed(ref)) continue;
        for (const GitId& commit : ref.history) reached.emplace(commit, &ref);
      }
      for (PrunedRevision& one : verdicts_) {
        const auto at = reached.find(one.commit);
        if (one.verdict != PruneVerdict::kDeleted || at == reached.end()) continue;
        keep(one, "it was promoted into " + shown_ref(*at->second));
        changed = true;
      }
    }
  }

  void keep_the_last() {
    const bool another = std::any_of(refs_.begin(), refs_.end(), [&](const KnownRef& ref) {
      return is_revision(ref) && !is_doomed(ref);
    });
    if (another) return;
    PrunedRevision* last = nullptr;
    const auto rank = [&](const PrunedRevision& one) {
      return std::pair(find_branch(refs_, one.revision)->step, one.revision);
    };
    for (PrunedRevision& one : verdicts_) {
      if (one.verdict != PruneVerdict::kDeleted) continue;
      if (last == nullptr || rank(*last) < rank(one)) last = &one;
    }
    if (last != nullptr) keep(*last, "it is the last revision of this repository");
  }

  std::vector<PrunedRevision> take() { return std::move(verdicts_); }

 private:
  PrunedRevision first_verdict(const RevisionAt& wanted) {
    PrunedRevision one{wanted.revision, wanted.commit, PruneVerdict::kDeleted, ""};
    const KnownRef* ref = find_branch(refs_, wanted.revision);
    if (ref == nullptr) {
      one.verdict = PruneVerdict::kGone;
      return one;
    }
    if (std::string reason = reason_of_its_own(wanted, *ref, refs_); !reason.empty()) {
      keep(one, std::move(reason));
    } else {
      doomed_.insert(ref->name);
    }
    return one;
  }

  void keep(PrunedRevision& one, std::string reason) {
    one.verdict = PruneVerdict::kKept;
    one.reason = std::move(reason);
    doomed_.erase(branch_ref(one.revision));
  }

  bool is_doomed(const KnownRef& ref) const { return doomed_.contains(ref.name); }

  const std::vector<KnownRef>& refs_;
  std::vector<PrunedRevision> verdicts_;
  std::set<std::string> doomed_;  // full names
};

}  // namespace

bool is_revision(const KnownRef& ref) {
  return !ref.published_as.empty() && branch_of(ref) == ref.published_as;
}

std::vector<PrunedRevision> judge(const std::vector<RevisionAt>& wanted,
                                  const std::vector<KnownRef>& refs) {
  Judgement judgement(wanted, refs);
  judgement.keep_promoted();
  judgement.keep_the_last();
  return judgement.take();
}

}  // namespace hubrev
