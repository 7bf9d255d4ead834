#include "plugin/spool/spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <optional>
#include <random>
#include <string_view>
#include <system_error>
#include <utility>

#include "plugin/base/clock.h"
#include "plugin/base/file.h"
#include "plugin/spool/layout.h"
#include "plugin/spool/lock.h"

namespace hubrev {
namespace {

namespace fs = std::filesystem;

Error spool_error(int code, const std::string& path) {
  return errno_error(code, "cannot write to the spool at " + path +
                               ", make it writable or choose another 'spool_dir'");
}

// What is not there (a job without a card, or one that has ended meanwhile) needs no sync.
Status sync_path(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file && errno == ENOENT) return {};
  if (!file || ::fsync(file.get()) != 0) return spool_error(errno, path);
  return {};
}

Status remove_tree(const std::string& path) {
  std::error_code code;
  fs::remove_all(path, code);
  if (code) return spool_error(code.value(), path);
  return {};
}

// Removes what killed submits left, for who has the right to submit.
Status sweep(const std::string& root) {
  std::error_code code;
  for (fs::directory_iterator at(root, code), end; !code && at != end; at.increment(code)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with(kStagingPrefix)) continue;
    const std::string_view id = std::string_view(name).substr(kStagingPrefix.size());
    if (!job_id_time(id)) continue;  // somebody else's; the folder may have been theirs before
    HUBREV_CHECK(remove_tree(at->path().string()));
  }
  if (code) return spool_error(code.value(), root);
  return remove_tree(next_folder(root));
}

// The creation time of the newest job, 0 without one.
Result<std::int64_t> newest_time(const std::string& root) {
  std::int64_t newest = 0;
  std::error_code code;
  for (fs::directory_iterator at(root, code), end; !code && at != end; at.increment(code)) {
    newest = std::max(newest, job_id_time(at->path().filename().string()).value_or(0));
  }
  if (code) return spool_error(code.value(), root);
  return newest;
}

// Records decide what is sent where with this user's token: nobody else may write them.
Status make_ours(const std::string& root) {
  struct stat info {};
  if (::stat(root.c_str(), &info) != 0) return spool_error(errno, root);
  if (info.st_uid != ::geteuid() && ::geteuid() != 0) {
    return make_error(ErrorKind::kConfig,
                      "the spool " + root + " belongs to another user; choose another 'spool_dir'");
  }
  // Best effort: some network and FUSE mounts know no modes. A folder that is read-only stays so.
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    (void)::chmod(root.c_str(), info.st_mode & S_IRWXU);
  }
  return {};
}

}  // namespace

struct Spool::State {
  const std::string root;
  std::optional<SpoolLock> submits;  // empty once released, and where the mode does not submit
  std::optional<SpoolLock> pushes;   // empty once released, and where the mode does not push
  std::mutex borrowing;              // held while one of them is borrowed
  std::mutex mutex;                  // guards the next three
  std::int64_t newest_ms;            // of the ids given out or found
  std::minstd_rand random{std::random_device{}()};  // the device itself takes 16 us a number
  bool next_is_begun = false;                       // a submit fills the folder `next`
  std::mutex freeing;  // between freeing a snapshot and showing how far its push is

  State(std::string r, std::int64_t newest) : root(std::move(r)), newest_ms(newest) {}

  std::string new_job_id() {
    const std::lock_guard lock(mutex);
    newest_ms = std::max(system_clock().unix_ms(), newest_ms + 1);
    return make_job_id(newest_ms, static_cast<std::uint32_t>(random()));
  }
  // A submit's folder is a job by now, or out of the way.
  void end(const std::string& folder) {
    if (folder != next_folder(root)) return;
    const std::lock_guard lock(mutex);
    next_is_begun = false;
  }
};

Spool::Spool(std::unique_ptr<State> state) : state_(std::move(state)) {}
Spool::~Spool() = default;
Spool::Spool(Spool&&) noexcept = default;
Spool& Spool::operator=(Spool&&) noexcept = default;

Result<Spool> Spool::open(const std::string& root, Mode mode) {
  if (root.empty()) {
    return make_error(ErrorKind::kConfig, "'spool_dir' must name a folder, not ''");
  }
  const std::string absolute = absolute_path(root);
  if (auto made = make_private_directory(absolute); !made.ok()) {
    return with_context(std::move(made).error(),
                        "the spool needs a folder, choose another 'spool_dir'");
  }
  HUBREV_CHECK(make_ours(absolute));
  auto state = std::make_unique<State>(absolute, 0);
  if (mode != Mode::kSpool) {
    HUBREV_TRY(state->pushes, SpoolLock::take(absolute, SpoolRight::kPush));
  }
  if (mode != Mode::kSync) {
    HUBREV_TRY(state->submits, SpoolLock::take(absolute, SpoolRight::kSubmit));
  }
  HUBREV_TRY(state->newest_ms, newest_time(absolute));
  Spool spool(std::move(state));
  // A training that is saving at this moment sweeps for itself.
  if (const auto right = spool.borrow(SpoolRight::kSubmit)) HUBREV_CHECK(sweep(absolute));
  return spool;
}

void Spool::release() {
  if (state_->submits) (void)remove_tree(next_folder(state_->root));
  state_->submits.reset();
  state_->pushes.reset();
}

std::optional<BorrowedRight> Spool::borrow(SpoolRight right) {
  const auto& held = right == SpoolRight::kSubmit ? state_->submits : state_->pushes;
  if (held) return BorrowedRight{};
  std::unique_lock turn(state_->borrowing);
  auto lock = SpoolLock::borrow(state_->root, right);
  if (!lock) return std::nullopt;
  return BorrowedRight{std::move(turn), std::move(lock)};
}

void Spool::beat() const {
  if (state_->submits) state_->submits->beat();
  if (state_->pushes) state_->pushes->beat();
}

const std::string& Spool::root() const {
  return state_->root;
}

std::string Spool::new_job_id() {
  return state_->new_job_id();
}

Result<Spool::Begun> Spool::begin(const std::string& job_id) {
  HUBREV_CHECK(check_job_id(job_id));
  std::string folder = temporary_folder(state_->root, job_id);
  if (::mkdir(folder.c_str(), 0700) != 0) {
    const int code = errno;
    // What could not be removed when this job was abandoned; the next attempt finds it gone.
    if (code == EEXIST) (void)remove_tree(folder);
    return spool_error(code, folder);
  }
  return Begun(*state_, std::move(folder));
}

Result<Spool::Begun> Spool::begin_snapshot() {
  std::string next = next_folder(state_->root);
  const std::lock_guard lock(state_->mutex);
  if (::mkdir(next.c_str(), 0700) != 0 && errno != EEXIST) return spool_error(errno, next);
  state_->next_is_begun = true;
  return Begun(*state_, std::move(next));
}

Spool::Begun::Begun(Begun&& other) noexcept
    : state_(other.state_), folder_(std::exchange(other.folder_, {})) {}

Spool::Begun::~Begun() {
  if (folder_.empty()) return;
  // Out of the next submit's way first: to remove it may fail. open() removes what is left.
  const std::string away = temporary_folder(state_.root, state_.new_job_id());
  const bool moved = std::rename(folder_.c_str(), away.c_str()) == 0;
  state_.end(folder_);
  (void)remove_tree(moved ? away : folder_);
}

Status Spool::Begun::publish(const JobRecord& record) && {
  HUBREV_CHECK(check_job_id(record.id));
  const std::string path = record_path(folder_);
  const std::string written = path + kTemporarySuffix;
  HUBREV_CHECK(fill_file(written, to_text(record)));
  if (std::rename(written.c_str(), path.c_str()) != 0) return spool_error(errno, written);
  const std::string job = job_folder(state_.root, record.id);
  if (std::rename(folder_.c_str(), job.c_str()) != 0) return spool_error(errno, job);
  state_.end(folder_);
  folder_.clear();
  return {};
}

void Spool::prepare() {
  const std::string next = next_folder(state_->root);
  if (::access(next.c_str(), F_OK) == 0) return;
  // Filled under a name of its own: a submit may begin at any moment. A killed one leaves a folder
  // that the next owner sweeps away.
  const std::string filling = temporary_folder(state_->root, make_job_id(0, 0));
  if (::mkdir(filling.c_str(), 0700) != 0) return;
  const std::string files = filling + "/files";
  (void)::mkdir(files.c_str(), 0700);
  for (const std::string& path : {pack_path(files), record_path(filling) + kTemporarySuffix}) {
    const Fd created(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  }
  bool placed = false;
  {
    // A rename would replace the empty folder of a submit that has just begun.
    const std::lock_guard lock(state_->mutex);
    placed = !state_->next_is_begun && std::rename(filling.c_str(), next.c_str()) == 0;
  }
  if (!placed) (void)remove_tree(filling);
}

Status Spool::sync_job(const std::string& job_id) const {
  HUBREV_CHECK(check_job_id(job_id));
  const std::string folder = job_folder(state_->root, job_id);
  for (const std::string& path :
       {pack_path(files_directory(job_id)), card_path(job_id), record_path(folder),
        files_directory(job_id), folder, state_->root}) {
    HUBREV_CHECK(sync_path(path));
  }
  return {};
}

void Spool::show_progress(const std::string& job_id, const nlohmann::json& progress) const {
  if (!check_job_id(job_id).ok()) return;
  const std::lock_guard lock(state_->freeing);
  // A job that has ended since its progress was looked at has none to show any more.
  if (::access(files_directory(job_id).c_str(), F_OK) != 0) return;
  (void)write_file_atomic(progress_path(job_folder(state_->root, job_id)),
                          progress.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
                          Durability::kRename);
}

Status Spool::save(const JobRecord& record) {
  HUBREV_CHECK(check_job_id(record.id));
  // Not only the last state: a power loss can leave an empty file where one was replaced by another
  // that had not reached the disk (XFS), and the job would go with it.
  return write_file_atomic(record_path(job_folder(state_->root, record.id)), to_text(record),
                           Durability::kSync);
}

Status Spool::free_snapshot(const std::string& job_id) {
  HUBREV_CHECK(check_job_id(job_id));
  const std::lock_guard lock(state_->freeing);
  const std::string files = files_directory(job_id);
  const std::string progress = progress_path(job_folder(state_->root, job_id));
  // The folder that stands for the snapshot goes last, so that who is killed here resumes.
  const std::string weights = weights_path(job_id);
  for (const std::string& path :
       {pack_path(files), card_path(job_id), work_directory(job_id), objects_directory(job_id),
        weights, weights + kTemporarySuffix, progress, progress + kTemporarySuffix, files}) {
    HUBREV_CHECK(remove_tree(path));
  }
  return {};
}

std::string Spool::files_directory(const std::string& job_id) const {
  return job_folder(state_->root, job_id) + "/files";
}

std::string Spool::card_path(const std::string& job_id) const {
  return job_folder(state_->root, job_id) + "/card.md";
}

std::string Spool::weights_path() const {
  return state_->root + "/weights.json";
}

std::string Spool::weights_path(const std::string& job_id) const {
  return job_folder(state_->root, job_id) + "/weights.json";
}

std::string Spool::work_directory(const std::string& job_id) const {
  return job_folder(state_->root, job_id) + "/git";
}

std::string Spool::objects_directory(const std::string& job_id) const {
  return job_folder(state_->root, job_id) + "/objects";
}

}  // namespace hubrev
