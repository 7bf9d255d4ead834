#pragma once
// A revision's commit message: the part of a revision's memory that git itself keeps. Written here,
// read back here; `git log` and `git interpret-trailers` read it too.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/types/commit_plan.h"
#include "plugin/types/job_record.h"

namespace hubrev {

// What the trailers say. Empty `revision` means that the commit is not one of ours.
struct RevisionFacts {
  std::string revision;  // the name it was published under
  std::optional<std::int64_t> step;
  std::optional<double> epoch;
  std::optional<std::int64_t> tokens;
  std::map<std::string, double> metrics;
  std::vector<std::string> fixes;  // "eos: generation_config.json: ..."
  std::string content_digest;      // "sha256:<hex>", see content_digest()
  std::string promoted;            // on a promoting commit: the revision that it promotes
};

// Title, a sentence, and trailers. Depends on the record's frozen facts alone, so that a retry in
// another process writes the same bytes.
std::string revision_message(const JobRecord& record, std::string_view content_digest);
std::string promote_message(std::string_view revision, const GitId& commit);
// Never fails: a line that is not understood is skipped.
RevisionFacts parse_message(std::string_view message);

// One published file's digest.
struct FileDigest {
  std::string path;
  Sha256 sha256;
};
// SHA-256 over the lines "<sha256>  <path>\n" sorted by path, which is what
// `git ls-files | LC_ALL=C sort | xargs sha256sum | sha256sum` prints in a full clone.
std::string content_digest(std::vector<FileDigest> files);

}  // namespace hubrev
