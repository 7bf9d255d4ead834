#pragma once
// Which files git stores itself, and which go to LFS.

#include "plugin/base/result.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

enum class Storage { kGit, kLfs };

// Everything that is not clearly text, all text over 10 MiB, and everything that the Hub's default
// rules name is LFS; an empty file is an empty git blob. The Hub refuses a push over one binary
// blob, so a candidate for git is looked at from its first byte to its last. Reads at most 10 MiB,
// which it holds in memory while it looks. An error when the file cannot be read.
Result<Storage> classify(const Entry& entry);

}  // namespace hubrev
