// _core.Worker.
#include "plugin/worker/worker.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "bindings/src/errors.h"
#include "bindings/src/interruptible.h"
#include "bindings/src/json_text.h"

namespace py = pybind11;

namespace hubrev::python {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

// "Without limit" for the deadline arithmetic: ten years.
constexpr double kForeverSeconds = 3.2e8;

milliseconds to_milliseconds(double seconds) {
  if (std::isnan(seconds) || seconds < 0) return milliseconds(0);
  return milliseconds(static_cast<std::int64_t>(std::min(seconds, kForeverSeconds) * 1000));
}

// Destroying a worker joins its threads; that must not hold the GIL.
struct ReleasedDelete {
  void operator()(Worker* worker) const {
    if (PyGILState_Check() != 0) {
      released([&] { delete worker; });
    } else {
      delete worker;
    }
  }
};
using Holder = std::unique_ptr<Worker, ReleasedDelete>;

Holder make_worker(const std::string& settings, const std::string& token,
                   const std::string& output_dir, const std::string& endpoint_override,
                   const std::optional<std::vector<std::string>>& frozen_parameters) {
  WorkerOptions options;
  options.settings = json::parse(settings, nullptr, false);
  options.token = Secret(token);
  options.output_dir = output_dir;
  options.endpoint_override = endpoint_override;
  if (frozen_parameters) {
    options.frozen_parameters.emplace(frozen_parameters->begin(), frozen_parameters->end());
  }
  auto worker = unwrap(released([&] { return Worker::create(std::move(options)); }));
  return Holder(worker.release());
}

std::string submit(Worker& worker, const std::string& directory, const std::string& revision,
                   std::optional<std::int64_t> step, std::optional<double> epoch,
                   std::optional<std::int64_t> tokens, const std::string& run,
                   const std::map<std::string, double>& metrics,
                   std::optional<std::int64_t> eos_token_id, const std::string& fingerprint) {
  Submission submission{directory, revision,    step,    epoch,       tokens,
                        run,       fingerprint, metrics, eos_token_id};
  const auto deadline = std::chrono::steady_clock::now() + worker.room_timeout();
  wait_interruptibly([&](milliseconds slice) {
    return worker.wait_for_room(slice) || std::chrono::steady_clock::now() >= deadline;
  });
  return unwrap(released([&] { return worker.submit(std::move(submission)); }));
}

bool wait(const Worker& worker, const std::string& job, std::optional<double> timeout) {
  const auto deadline =
      std::chrono::steady_clock::now() + to_milliseconds(timeout.value_or(kForeverSeconds));
  WaitOutcome outcome = WaitOutcome::kTimedOut;
  wait_interruptibly([&](milliseconds slice) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
    outcome = worker.wait(job, std::clamp(left, milliseconds(0), slice));
    return outcome != WaitOutcome::kTimedOut || left <= slice;
  });
  return outcome == WaitOutcome::kEnded;
}

std::optional<std::string> preflight_result(const Worker& worker) {
  const std::optional<Status> outcome = worker.preflight_result();
  if (!outcome) return std::nullopt;
  return outcome->ok() ? std::string() : outcome->error().message;
}

bool close(Worker& worker, double timeout) {
  // Drains in slices so that Ctrl-C ends the wait; closing itself is then quick.
  const bool drained = timeout <= 0 || wait(worker, "", timeout);
  const bool empty = released([&] { return worker.close(milliseconds(0)); });
  return drained && empty;
}

}  // namespace

void define_worker(py::module_& module) {
  py::class_<Worker, Holder>(module, "Worker", py::is_final())
      .def(py::init(&make_worker), py::arg("settings"), py::arg("token"), py::arg("output_dir"),
           py::arg("endpoint_override") = "", py::arg("frozen_parameters") = py::none())
      .def("preflight", [](Worker& w) { released([&] { w.preflight(); }); })
      .def("preflight_result", &preflight_result)
      .def("submit", &submit, py::arg("directory"), py::arg("revision") = "",
           py::arg("step") = py::none(), py::arg("epoch") = py::none(),
           py::arg("tokens") = py::none(), py::arg("run") = "",
           py::arg("metrics") = std::map<std::string, double>(),
           py::arg("eos_token_id") = py::none(), py::arg("fingerprint") = "")
      .def("take_up_new", [](Worker& w) { return released([&] { return w.take_up_new(); }); })
      .def("status", [](const Worker& w) { return released([&] { return dump(w.status()); }); })
      .def(
          "record",
          [](const Worker& w, const std::string& job) {
            return released([&] { return dump(w.record(job)); });
          },
          py::arg("job"))
      .def(
          "wait_for_outcomes",
          [](const Worker& w, std::size_t seen, double timeout) {
            return released([&] { return w.wait_for_outcomes(seen, to_milliseconds(timeout)); });
          },
          py::arg("seen"), py::arg("timeout"))
      .def("wait", &wait, py::arg("job") = "", py::arg("timeout") = py::none())
      .def(
          "cancel",
          [](Worker& w, const std::string& job) { return released([&] { return w.cancel(job); }); },
          py::arg("job") = "")
      .def("close", &close, py::arg("timeout") = 0.0);
}

}  // namespace hubrev::python
