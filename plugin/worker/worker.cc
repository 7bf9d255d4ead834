#include "plugin/worker/worker.h"

#include <unistd.h>

#include <utility>

#include "plugin/base/file.h"
#include "plugin/worker/engine.h"

namespace hubrev {
namespace {

// Without what would make it megabytes in a long training.
nlohmann::json shown(const JobTable::View& view) {
  nlohmann::json record = summary_to_json(view.record);
  record["progress"] = to_json(*view.progress, system_clock().unix_ms());
  return record;
}

}  // namespace

Worker::Worker(std::unique_ptr<Engine> engine) : creator_(::getpid()), engine_(std::move(engine)) {}

Worker::~Worker() {
  if (in_fork_child()) (void)engine_.release();
}

bool Worker::in_fork_child() const {
  return ::getpid() != creator_;
}

Result<std::unique_ptr<Worker>> Worker::create(WorkerOptions options) {
  HUBREV_TRY(Settings settings, parse_settings(options.settings));
  nlohmann::json effective = default_settings();
  effective.update(options.settings);
  effective["endpoint"] = settings.endpoint;  // one spelling, by which jobs are compared
  // Records need not know whom this process tells; a webhook's address is often its password.
  effective.erase("on_outcome");
  const std::string output_dir = absolute_path(options.output_dir);
  const std::string root = settings.spool_dir.empty() ? output_dir + "/_hub_revisions"
                                                      : absolute_path(settings.spool_dir);
  HUBREV_TRY(Spool spool, Spool::open(root, settings.mode));
  HUBREV_TRY(SpoolContents contents, read_spool(root));
  auto engine = std::make_unique<Engine>(std::move(settings), std::move(effective), output_dir,
                                         std::move(spool), std::move(options.token));
  HUBREV_CHECK(engine->start(std::move(contents), options));
  return std::unique_ptr<Worker>(new Worker(std::move(engine)));
}

void Worker::preflight() {
  if (!in_fork_child()) engine_->preflight();
}

std::optional<Status> Worker::preflight_result() const {
  if (in_fork_child()) return std::nullopt;
  return engine_->preflight_result();
}

Result<std::string> Worker::submit(Submission submission) {
  if (in_fork_child()) {
    return make_error(ErrorKind::kInternal, "this worker belongs to the parent process of a fork");
  }
  submission.directory = absolute_path(submission.directory);
  return engine_->submit(submission);
}

std::vector<std::string> Worker::take_up_new() {
  return in_fork_child() ? std::vector<std::string>{} : engine_->take_up_new();
}

bool Worker::wait_for_room(std::chrono::milliseconds timeout) const {
  return in_fork_child() || engine_->wait_for_room(timeout);
}

std::chrono::milliseconds Worker::room_timeout() const {
  return engine_->settings().when_full_timeout;
}

nlohmann::json Worker::status() const {
  nlohmann::json all = nlohmann::json::array();
  if (in_fork_child()) return all;
  for (const JobTable::View& view : engine_->jobs().views()) all.push_back(shown(view));
  return all;
}

nlohmann::json Worker::record(const std::string& job_id) const {
  if (in_fork_child()) return nullptr;
  const auto view = engine_->jobs().view(job_id);
  return view ? shown(*view) : nlohmann::json();
}

std::vector<std::string> Worker::wait_for_outcomes(std::size_t seen,
                                                   std::chrono::milliseconds timeout) const {
  if (in_fork_child()) return {};
  return engine_->jobs().wait_for_outcomes(seen, std::chrono::steady_clock::now() + timeout);
}

WaitOutcome Worker::wait(const std::string& job_id, std::chrono::milliseconds timeout) const {
  return in_fork_child() ? WaitOutcome::kStands : engine_->wait(job_id, timeout);
}

bool Worker::cancel(const std::string& job_id) {
  return !in_fork_child() && engine_->cancel(job_id);
}

bool Worker::close(std::chrono::milliseconds drain) {
  return !in_fork_child() && engine_->close(drain);
}

}  // namespace hubrev
