// What _core does with a repository on a server: read it, add to it, promote.
#include "bindings/src/repository.h"

#include <pybind11/stl.h>

#include <nlohmann/json.hpp>
#include <string>

#include "bindings/src/connected.h"
#include "bindings/src/errors.h"
#include "bindings/src/json_text.h"
#include "plugin/fixes/choice_card.h"
#include "plugin/pipeline/append.h"
#include "plugin/pipeline/contents.h"
#include "plugin/pipeline/promote.h"

namespace py = pybind11;

namespace hubrev::python {
namespace {

using nlohmann::json;

std::optional<GitId> optional_commit(const std::string& hex) {
  return hex.empty() ? std::nullopt : std::optional(commit_from(hex));
}

std::vector<FileChange> changes_from(
    const std::map<std::string, std::optional<std::string>>& files) {
  std::vector<FileChange> changes;
  for (const auto& [path, bytes] : files) changes.push_back({path, bytes});
  return changes;
}

json revision_to_json(const RevisionInfo& info) {
  const RevisionFacts& facts = info.facts;
  json files = json::array();
  for (const RevisionFile& file : info.files) {
    files.push_back({{"path", file.path}, {"size", file.size}, {"oid", file.oid}});
  }
  json parents = json::array();
  for (const GitId& parent : info.parents) parents.push_back(parent.hex());
  return {{"revision", info.name},
          {"commit", info.commit.hex()},
          {"published_as", facts.revision},
          {"title", info.title},
          {"time", info.unix_seconds},
          {"step", facts.step ? json(*facts.step) : json()},
          {"epoch", facts.epoch ? json(*facts.epoch) : json()},
          {"tokens", facts.tokens ? json(*facts.tokens) : json()},
          {"metrics", facts.metrics},
          {"fixes", facts.fixes},
          {"content_digest", facts.content_digest},
          {"promoted", facts.promoted},
          {"parents", std::move(parents)},
          {"files", std::move(files)}};
}

json promotion_to_json(const Promotion& promotion) {
  return {{"target", promotion.target},
          {"revision", promotion.revision},
          {"commit", promotion.commit.hex()},
          {"changed", promotion.changed}};
}

std::string read_repository(const std::string& settings, const std::string& token) {
  const auto contents = connected<RepositoryContents>(
      settings, token, [](Connection& connection, const Settings& parsed, auto& stop) {
        return read_contents(connection, parsed, stop);
      });
  json revisions = json::array();
  for (const RevisionInfo& info : contents.revisions) revisions.push_back(revision_to_json(info));
  json tags = json::object();
  for (const Tag& tag : contents.tags) tags[tag.name] = tag.commit.hex();
  const bool recorded = contents.records_commit != GitId();
  return dump({{"repo_id", contents.repo_id},
               {"revisions", std::move(revisions)},
               {"tags", std::move(tags)},
               {"records_commit", recorded ? contents.records_commit.hex() : ""},
               {"records", contents.records}});
}

std::map<std::string, py::bytes> read_revision_files(const std::string& settings,
                                                     const std::string& token,
                                                     const std::string& revision,
                                                     const std::vector<std::string>& paths) {
  const auto texts = connected<std::map<std::string, std::string>>(
      settings, token, [&](Connection& connection, const Settings& parsed, auto& stop) {
        return read_files(connection, parsed, revision, paths, stop);
      });
  std::map<std::string, py::bytes> files;
  for (const auto& [path, text] : texts) files[path] = py::bytes(text);
  return files;
}

std::string commit_files(const std::string& settings, const std::string& token,
                         const std::string& branch,
                         const std::map<std::string, std::optional<std::string>>& files,
                         const std::string& message) {
  const auto appended = connected<Appended>(
      settings, token, [&](Connection& connection, const Settings& parsed, auto& stop) {
        return append_files(connection, parsed, branch, changes_from(files), message,
                            system_clock(), stop);
      });
  return dump({{"commit", appended.commit.hex()}, {"changed", appended.changed}});
}

std::string promote_revision(const std::string& settings, const std::string& token,
                             const std::string& revision, const std::string& branch,
                             const std::string& commit,
                             const std::map<std::string, std::optional<std::string>>& files) {
  const PromoteRequest request{revision, optional_commit(commit), branch, changes_from(files)};
  return dump(promotion_to_json(connected<Promotion>(
      settings, token, [&](Connection& connection, const Settings& parsed, auto& stop) {
        return promote(connection, parsed, request, system_clock(), stop);
      })));
}

std::string tag_revision(const std::string& settings, const std::string& token,
                         const std::string& revision, const std::string& tag,
                         const std::string& commit) {
  const std::optional<GitId> chosen = optional_commit(commit);
  return dump(promotion_to_json(connected<Promotion>(
      settings, token, [&](Connection& connection, const Settings& parsed, auto& stop) {
        return promote_tag(connection, parsed, revision, chosen, tag, stop);
      })));
}

std::string move_all(const std::string& settings, const std::string& token,
                     const std::map<std::string, std::string>& pointers) {
  std::map<std::string, GitId> commits;
  for (const auto& [name, hex] : pointers) commits[name] = commit_from(hex);
  const auto moved = connected<std::vector<Promotion>>(
      settings, token, [&](Connection& connection, const Settings& parsed, auto& stop) {
        return move_pointers(connection, parsed, commits, stop);
      });
  json all = json::array();
  for (const Promotion& one : moved) all.push_back(promotion_to_json(one));
  return dump(all);
}

std::string card_with_choice(const std::string& card, const std::string& choice_text) {
  const json item = json::parse(choice_text);
  Choice choice;
  choice.revision = item.at("revision");
  choice.chart = item.at("chart");
  for (const json& row : item.at("rows")) choice.rows.emplace_back(row.at(0), row.at(1));
  for (const json& one : item.at("scores")) {
    Scores scores{one.at("dataset"), one.at("url"), {}};
    for (const json& pair : one.at("metrics")) scores.metrics.emplace_back(pair.at(0), pair.at(1));
    choice.scores.push_back(std::move(scores));
  }
  return unwrap(put_choice(card, choice));
}

}  // namespace

void define_repository(py::module_& module) {
  using Files = std::map<std::string, std::optional<std::string>>;
  module.def("read_repository", &read_repository, py::arg("settings"), py::arg("token"));
  module.def("read_files", &read_revision_files, py::arg("settings"), py::arg("token"),
             py::arg("revision"), py::arg("paths"));
  module.def("commit_files", &commit_files, py::arg("settings"), py::arg("token"),
             py::arg("branch"), py::arg("files"), py::arg("message"));
  module.def("promote", &promote_revision, py::arg("settings"), py::arg("token"),
             py::arg("revision"), py::arg("branch"), py::arg("commit") = "",
             py::arg("files") = Files());
  module.def("tag_revision", &tag_revision, py::arg("settings"), py::arg("token"),
             py::arg("revision"), py::arg("tag"), py::arg("commit") = "");
  module.def("move_pointers", &move_all, py::arg("settings"), py::arg("token"),
             py::arg("pointers"));
  module.def("card_with_choice", &card_with_choice, py::arg("card"), py::arg("choice"));
}

}  // namespace hubrev::python
