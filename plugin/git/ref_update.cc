#include "plugin/git/ref_update.h"

#include <git2.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "plugin/base/utf8.h"

namespace hubrev {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// How git and the servers built on it word that the ref is no longer what the push was based on.
bool says_ref_moved(std::string_view status) {
  constexpr std::array<std::string_view, 8> kWords = {
      "failed to update ref", "cannot lock ref", "failed to lock",   "incorrect old value",
      "already exists",       "fetch first",     "non-fast-forward", "stale info"};
  return std::any_of(kWords.begin(), kWords.end(),
                     [&](std::string_view words) { return contains(status, words); });
}

}  // namespace

Status check_ref_name(const std::string& ref) {
  int valid = 0;
  git_reference_name_is_valid(&valid, ref.c_str());
  if (valid != 0 && ref.starts_with("refs/")) return {};
  return make_error(ErrorKind::kInvalidInput,
                    "'" + ref + "' is not a full ref name such as refs/heads/main");
}

bool exclude_each_other(std::string_view ref, std::string_view other) {
  if (ref.size() > other.size()) std::swap(ref, other);
  return other.size() > ref.size() && other.starts_with(ref) && other[ref.size()] == '/';
}

Error name_taken(const std::string& ref, const std::string& other) {
  return make_error(ErrorKind::kConfig,
                    "there can be no " + ref + " beside " + shown_text(other) +
                        ", which the repository has: one name would be a folder "
                        "of the other; use another 'revision'");
}

Status check_replaceable(const PushRequest& request, const std::optional<GitId>& current) {
  if (request.expected) {
    if (current == request.expected) return {};
    return make_error(ErrorKind::kConflict,
                      request.ref + " is at " + (current ? current->hex() : "no commit") +
                          " and no longer at " + request.expected->hex() +
                          ": somebody else changed it meanwhile; run this again");
  }
  const bool own =
      current && std::find(request.own.begin(), request.own.end(), *current) != request.own.end();
  if (!current || request.policy == RefPolicy::kReplace || own) return {};
  return make_error(ErrorKind::kConflict,
                    request.ref + " already holds commit " + current->hex() +
                        " of somebody else, not " + request.commit.hex() +
                        "; use another 'revision', or set 'exists' to 'suffix' or 'overwrite'");
}

Error moved_before_deletion(const RefDeletion& deletion, const GitId& current) {
  return make_error(ErrorKind::kConflict, deletion.ref + " is at " + current.hex() +
                                              " and no longer at " + deletion.expected.hex() +
                                              ": somebody else changed it meanwhile");
}

std::string refusal_text(const char* status) {
  std::string text = shown_text(status);
  return text.empty() ? "no reason was given" : text;
}

Error ref_refused(const std::string& ref, const std::string& status, const std::string& words) {
  ErrorKind kind = ErrorKind::kRejected;
  if (says_ref_moved(status)) kind = ErrorKind::kConflict;
  if (contains(status + words, "DENIED") || contains(status, "forbidden")) kind = ErrorKind::kAuth;
  return make_error(
      kind, "the server refused " + ref + ": " + status + (words.empty() ? "" : ": " + words));
}

}  // namespace hubrev
