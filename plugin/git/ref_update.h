#pragma once
// What the ways to change a remote ref have in common. Internal to this layer.

#include <optional>
#include <string>
#include <string_view>

#include "plugin/base/result.h"
#include "plugin/git/remote.h"

namespace hubrev {

// kInvalidInput for what is no full ref name.
Status check_ref_name(const std::string& ref);

// Whether one name would be a folder of the other, so that no repository can have both.
bool exclude_each_other(std::string_view ref, std::string_view other);

// kConfig: `ref` cannot be made beside `other`.
Error name_taken(const std::string& ref, const std::string& other);

// Whether the push may replace what its ref holds now (nothing: there is no such ref); else
// kConflict with the remedy.
Status check_replaceable(const PushRequest& request, const std::optional<GitId>& current);

// kConflict for a ref that somebody else has moved before it was deleted.
Error moved_before_deletion(const RefDeletion& deletion, const GitId& current);

// What a server reported of a ref that it did not change, as one line; never "". `status` is not
// null: libgit2 gives null where the server took the ref.
std::string refusal_text(const char* status);

// The Error for a ref that the server did not change. `status` is what it reported of the ref, as
// one line; `words` what its hooks wrote. kConflict when the ref is no longer what the update was
// based on, kAuth when the token may not write, else kRejected.
Error ref_refused(const std::string& ref, const std::string& status, const std::string& words);

}  // namespace hubrev
