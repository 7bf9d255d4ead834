#pragma once
// Looks for tokens in what is about to be published: a script, a config or a pickle may hold one.

#include <stop_token>
#include <string>
#include <vector>

#include "plugin/base/secret.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

// Paths of the entries in which one of `secrets` stands, or something of the shape of a Hub token
// ("hf_" or "api_org_" and at least 30 letters and digits). Every file is read whole, except for
// the tensors of a safetensors file: its header alone holds text. Blocks on reads.
Result<std::vector<std::string>> find_tokens(const Snapshot& snapshot,
                                             const std::vector<Secret>& secrets,
                                             const std::stop_token& stop);

}  // namespace hubrev
