// _core.Fetch: one revision on its way into a folder.
#include "bindings/src/fetch.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <string>
#include <utility>

#include "bindings/src/errors.h"
#include "bindings/src/interruptible.h"
#include "bindings/src/json_text.h"
#include "plugin/pipeline/fetch_revision.h"
#include "plugin/worker/transport.h"

namespace py = pybind11;

namespace hubrev::python {
namespace {

using nlohmann::json;

class Fetch {
 public:
  Fetch(Settings settings, Secret token, FetchRequest request)
      : outcome_(std::async(std::launch::async,
                            [this, settings = std::move(settings), token = std::move(token),
                             request = std::move(request)]() -> Result<FetchedRevision> {
                              const auto http = make_http(settings, nullptr);
                              Connection connection(*http, make_retry(settings, nullptr), token);
                              return fetch_revision(connection, settings, request, progress_,
                                                    stop_.get_token());
                            })) {}
  ~Fetch() { stop_.request_stop(); }  // and the future's own waits for the thread
  Fetch(const Fetch&) = delete;
  Fetch& operator=(const Fetch&) = delete;

  bool wait_for(std::chrono::milliseconds limit) const {
    return !outcome_.valid() || outcome_.wait_for(limit) == std::future_status::ready;
  }
  void cancel() {
    stop_.request_stop();
    if (outcome_.valid()) outcome_.wait();
  }
  const FetchProgress& progress() const { return progress_; }
  std::future<Result<FetchedRevision>>& outcome() { return outcome_; }

 private:
  FetchProgress progress_;
  std::stop_source stop_;
  std::future<Result<FetchedRevision>> outcome_;  // the last member: its thread uses the others
};

// Destroying a fetch waits for its thread; that must not hold the GIL.
struct ReleasedDelete {
  void operator()(Fetch* fetch) const {
    if (PyGILState_Check() != 0) {
      released([&] { delete fetch; });
    } else {
      delete fetch;
    }
  }
};
using Holder = std::unique_ptr<Fetch, ReleasedDelete>;

Holder begin(const std::string& settings, const std::string& token, const std::string& revision,
             const std::string& folder) {
  return Holder(new Fetch(settings_from(settings), Secret(token), {revision, folder}));
}

bool wait(const Fetch& fetch, double timeout) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(timeout);
  bool ended = false;
  wait_interruptibly([&](std::chrono::milliseconds slice) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    ended = fetch.wait_for(std::clamp(left, std::chrono::milliseconds(0), slice));
    return ended || left <= slice;
  });
  return ended;
}

std::string progress(const Fetch& fetch) {
  const FetchProgress& now = fetch.progress();
  return dump({{"bytes_total", now.bytes_total.load()},
               {"bytes_here", now.bytes_here.load()},
               {"bytes_received", now.bytes_received.load()},
               {"last_error", now.last_error()}});
}

std::string outcome(Fetch& fetch) {
  wait_interruptibly([&](std::chrono::milliseconds slice) { return fetch.wait_for(slice); });
  const FetchedRevision fetched = unwrap(fetch.outcome().get());
  json files = json::array();
  for (const CheckoutFile& file : fetched.files) {
    files.push_back({{"path", file.path}, {"size", file.size}});
  }
  const RevisionFacts& facts = fetched.facts;
  return dump({{"repo_id", fetched.repo_id},
               {"commit", fetched.commit.hex()},
               {"published_as", facts.revision},
               {"step", facts.step ? json(*facts.step) : json()},
               {"files", std::move(files)},
               {"changed", fetched.changed}});
}

}  // namespace

void define_fetch(py::module_& module) {
  py::class_<Fetch, Holder>(module, "Fetch", py::is_final())
      .def(py::init(&begin), py::arg("settings"), py::arg("token"), py::arg("revision"),
           py::arg("folder"))
      .def("wait", &wait, py::arg("timeout"))
      .def("cancel", [](Fetch& fetch) { released([&] { fetch.cancel(); }); })
      .def("progress", &progress)
      .def("outcome", &outcome);
}

}  // namespace hubrev::python
