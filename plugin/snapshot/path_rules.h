#pragma once
// Which names a revision can hold.

#include <optional>
#include <string>
#include <string_view>

namespace hubrev {

// Why `path` (relative, '/' between parts) cannot be a path of a revision, as the end of a sentence
// ("the name ..."); nullopt when it can. Refused: what git refuses in a tree (the rules of
// `git fsck`: empty parts, ".", "..", and whatever Windows or macOS would take for ".git"), and
// what .gitattributes or a checkout on Windows cannot name (control characters, backslash,
// malformed UTF-8), and more than 4096 bytes.
std::optional<std::string_view> path_problem(std::string_view path);

// The name for a message: control characters and bytes that are not UTF-8 as \xNN.
std::string shown_path(std::string_view name);

}  // namespace hubrev
