// What _core does to free a repository of revisions.
#include "bindings/src/prune.h"

#include <nlohmann/json.hpp>
#include <string>

#include "bindings/src/connected.h"
#include "bindings/src/json_text.h"
#include "plugin/pipeline/prune.h"

namespace py = pybind11;

namespace hubrev::python {
namespace {

using nlohmann::json;

PruneRequest request_from(const std::string& text) {
  const json object = json::parse(text);
  PruneRequest request;
  for (const json& one : object.at("revisions")) {
    request.revisions.push_back({one.at("revision"), commit_from(one.at("commit"))});
  }
  request.purge = object.at("purge") == "purge" ? LfsPurge::kPurge : LfsPurge::kKeep;
  request.mode = object.at("mode") == "apply" ? PruneMode::kApply : PruneMode::kPlan;
  return request;
}

const char* verdict_text(PruneVerdict verdict) {
  switch (verdict) {
    case PruneVerdict::kDeleted:
      return "deleted";
    case PruneVerdict::kGone:
      return "gone";
    case PruneVerdict::kKept:
      return "kept";
  }
  return "";
}

std::string prune_revisions(const std::string& settings, const std::string& token,
                            const std::string& request_text) {
  const PruneRequest request = request_from(request_text);
  const auto outcome = connected<PruneOutcome>(
      settings, token, [&](Connection& connection, const Settings& parsed, auto& stop) {
        return prune(connection, parsed, request, system_clock(), stop);
      });
  json revisions = json::array();
  for (const PrunedRevision& one : outcome.revisions) {
    revisions.push_back({{"revision", one.revision},
                         {"commit", one.commit.hex()},
                         {"verdict", verdict_text(one.verdict)},
                         {"reason", one.reason}});
  }
  const PurgedFiles& files = outcome.files;
  return dump({{"revisions", std::move(revisions)},
               {"files",
                {{"objects", files.objects},
                 {"bytes", files.bytes},
                 {"young_objects", files.young_objects},
                 {"young_bytes", files.young_bytes},
                 {"problem", files.problem}}}});
}

}  // namespace

void define_prune(py::module_& module) {
  module.def("prune", &prune_revisions, py::arg("settings"), py::arg("token"), py::arg("request"));
}

}  // namespace hubrev::python
