// The Python module hub_revisions._core. bindings/python/hub_revisions/_core.pyi documents it.
//
// GIL: everything that may take longer than a millisecond runs without it (see released()). No C++
// thread ever calls Python.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <nlohmann/json.hpp>
#include <string>

#include "bindings/src/errors.h"
#include "bindings/src/fetch.h"
#include "bindings/src/interruptible.h"
#include "bindings/src/json_text.h"
#include "bindings/src/prune.h"
#include "bindings/src/repository.h"
#include "bindings/src/yaml.h"
#include "plugin/base/file.h"
#include "plugin/git/version.h"
#include "plugin/net/ca_bundle.h"
#include "plugin/net/route.h"
#include "plugin/pipeline/complete.h"
#include "plugin/snapshot/fingerprint.h"
#include "plugin/spool/spool.h"
#include "plugin/types/settings.h"
#include "plugin/worker/doctor.h"

namespace py = pybind11;

namespace hubrev::python {

void define_worker(py::module_& module);

namespace {

using nlohmann::json;

const char* word(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kWarn:
      return "warn";
    case Verdict::kFail:
      return "fail";
    case Verdict::kSkipped:
      return "skipped";
  }
  return "";
}

std::string run_doctor(const std::string& settings_text, const std::string& token,
                       const std::string& token_origin, const std::string& output_dir) {
  const DoctorRequest request{settings_from(settings_text), Secret(token), token_origin,
                              output_dir};
  const auto findings = unwrap(interruptible<std::vector<Finding>>(
      [&](const std::stop_token& stop) -> Result<std::vector<Finding>> {
        return doctor(request, stop);
      }));
  json all = json::array();
  for (const Finding& f : findings) {
    all.push_back({{"check", f.check},
                   {"verdict", word(f.verdict)},
                   {"detail", f.detail},
                   {"remedy", f.remedy}});
  }
  return dump(all);
}

std::string library_versions() {
  return dump({{"libgit2", libgit2_version()}, {"libcurl", libcurl_version()}});
}

std::string spool_records(const std::string& spool_dir) {
  SpoolContents contents = unwrap(released([&] { return read_spool(spool_dir); }));
  json records = json::array();
  for (const JobRecord& record : contents.records) {
    records.push_back(json::parse(to_text(record)));
    const auto progress = contents.progress.find(record.id);
    if (progress != contents.progress.end()) records.back()["progress"] = progress->second;
  }
  return dump({{"records", std::move(records)}, {"problems", contents.problems}});
}

bool ask_cancel(const std::string& spool_dir, const std::string& job) {
  return unwrap(released([&]() -> Result<bool> {
    HUBREV_TRY(const SpoolContents contents, read_spool(spool_dir));
    bool any = false;
    for (const JobRecord& record : contents.records) {
      const bool named = record.id == job;
      const bool open = !is_final(record.state) || (named && record.state == JobState::kFailed);
      if (!open || (!job.empty() && !named)) continue;
      HUBREV_CHECK(request_cancel(spool_dir, record.id));
      any = true;
    }
    return any;
  }));
}

// A container may lack authorities of its own; certifi then has those that Python's HTTP stacks
// use.
void trust_certifi() {
  if (!system_ca_bundle().empty()) return;
  try {
    set_spare_ca_bundle(py::module_::import("certifi").attr("where")().cast<std::string>());
  } catch (const py::error_already_set&) {
    // Not installed: the first https:// request tells what to do.
  }
}

std::string fingerprint_of(const std::string& directory) {
  const auto found = released([&] { return fingerprint(directory); });
  return found.ok() ? *found : std::string();
}

std::string incompleteness(const std::string& directory, const std::string& settings_text) {
  const Settings settings = settings_from(settings_text);
  const Status complete = released([&] { return check_complete(directory, settings.selection); });
  return complete.ok() ? std::string() : complete.error().message;
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.attr("__version__") = HUBREV_VERSION;
  trust_certifi();
  define_errors(module);
  define_worker(module);
  define_repository(module);
  define_prune(module);
  define_yaml(module);
  define_fetch(module);
  module.def("settings_schema", [] { return std::string(settings_schema()); });
  module.def("default_settings", [] { return dump(default_settings()); });
  module.def(
      "check_settings",
      [](const std::string& settings, const std::string& origin) {
        unwrap(check_settings(parse_object(settings), origin));
      },
      py::arg("settings"), py::arg("origin"));
  module.def("doctor", &run_doctor, py::arg("settings"), py::arg("token"), py::arg("token_origin"),
             py::arg("output_dir"));
  module.def("library_versions", &library_versions);
  module.def("fingerprint", &fingerprint_of, py::arg("directory"));
  module.def(
      "saved_at",
      [](const std::string& directory) { return released([&] { return saved_at(directory); }); },
      py::arg("directory"));
  module.def("absolute_path", &absolute_path, py::arg("path"));
  module.def("check_complete", &incompleteness, py::arg("directory"), py::arg("settings"));
  module.def("read_spool", &spool_records, py::arg("spool_dir"));
  module.def("request_cancel", &ask_cancel, py::arg("spool_dir"), py::arg("job"));
}

}  // namespace hubrev::python
