#pragma once
// What a repository remembers: its revisions, and the records on its branch of results. Works on
// any git server: everything is read from the commits themselves.

#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "plugin/pipeline/connection.h"
#include "plugin/pipeline/message.h"

namespace hubrev {

struct RevisionFile {
  std::string path;
  std::uint64_t size = 0;  // bytes, of the content (not of its pointer)
  std::string oid;         // an LFS object's SHA-256 in hex; "" for what git stores itself
};

struct RevisionInfo {
  std::string name;  // branch
  GitId commit;
  std::string title;
  std::int64_t unix_seconds = 0;
  RevisionFacts facts;
  std::vector<GitId> parents;
  std::vector<RevisionFile> files;
};

struct Tag {
  std::string name;
  GitId commit;  // what it stands for, also where it is an annotated one
};

struct RepositoryContents {
  std::string repo_id;  // with its namespace
  // Every branch but that of the records, sorted by step and then name; branches that are not ours
  // have no facts.
  std::vector<RevisionInfo> revisions;
  std::vector<Tag> tags;
  GitId records_commit;                        // of the records' branch; zero without one
  std::map<std::string, std::string> records;  // its files, by path; those above 1 MiB left out
};

// Fetches all branches and tags (commits, pointers and small text, no weights) into a temporary
// folder, and reads them. Blocks.
Result<RepositoryContents> read_contents(Connection& connection, const Settings& settings,
                                         const std::stop_token& stop);

// Text files of one revision (as fetch_commit() finds it), by path; those that it does not have, or
// only as LFS objects, are left out. Blocks.
Result<std::map<std::string, std::string>> read_files(Connection& connection,
                                                      const Settings& settings,
                                                      const std::string& revision,
                                                      const std::vector<std::string>& paths,
                                                      const std::stop_token& stop);

}  // namespace hubrev
