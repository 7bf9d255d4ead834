// What needs no ownership of a spool: reading it, and asking its owner for something.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "plugin/base/file.h"
#include "plugin/spool/layout.h"
#include "plugin/spool/spool.h"

namespace hubrev {
namespace {

namespace fs = std::filesystem;

// A record of the largest checkpoint (100,000 files) is a quarter of it.
constexpr std::uint64_t kMaxRecordBytes = 64ull << 20;

Result<JobRecord> read_record(const fs::path& folder) {
  const std::string path = record_path(folder.string());
  HUBREV_TRY(const std::string text, read_file(path, kMaxRecordBytes));
  auto record = job_record_from_json(text);
  if (!record.ok()) return with_context(std::move(record).error(), path);
  if (record.value().id != folder.filename().string()) {
    return make_error(ErrorKind::kCorrupt,
                      path + " is the record of another job, '" + record.value().id + "'");
  }
  return record;
}

constexpr std::uint64_t kMaxProgressBytes = 64u << 10;

// Absent, or not whole: the worker is not busy with that job.
nlohmann::json read_progress(const fs::path& folder) {
  const auto text = read_file(progress_path(folder.string()), kMaxProgressBytes);
  nlohmann::json progress;
  if (text.ok()) progress = nlohmann::json::parse(*text, nullptr, false);
  return progress.is_object() ? progress : nlohmann::json();
}

std::string problem(const Error& error) {
  return error.message +
         "; the folder was left as it is, remove it by hand when nothing in it is "
         "needed any more";
}

}  // namespace

Result<SpoolContents> read_spool(const std::string& root) {
  SpoolContents contents;
  std::error_code code;
  for (fs::directory_iterator at(root, code), end; !code && at != end; at.increment(code)) {
    std::error_code ignored;  // what cannot be looked at is no folder of ours
    const bool is_folder = fs::is_directory(at->symlink_status(ignored));
    if (!is_folder || !job_id_time(at->path().filename().string())) continue;
    auto record = read_record(at->path());
    if (record.ok()) {
      if (!is_final(record->state)) {
        auto progress = read_progress(at->path());
        if (!progress.is_null()) contents.progress[record->id] = std::move(progress);
      }
      contents.records.push_back(std::move(record).value());
    } else {
      contents.problems.push_back(problem(record.error()));
    }
  }
  if (code == std::errc::no_such_file_or_directory) return SpoolContents{};
  if (code) {
    return errno_error(code.value(),
                       "cannot read the spool " + root + ", check 'spool_dir' and its permissions");
  }
  std::sort(contents.records.begin(), contents.records.end(),
            [](const JobRecord& a, const JobRecord& b) { return a.id < b.id; });
  std::sort(contents.problems.begin(), contents.problems.end());
  return contents;
}

Result<JobRecord> read_job(const std::string& root, const std::string& job_id) {
  HUBREV_CHECK(check_job_id(job_id));
  return read_record(job_folder(root, job_id));
}

Result<std::vector<std::string>> list_jobs(const std::string& root) {
  std::vector<std::string> ids;
  std::error_code code;
  for (fs::directory_iterator at(root, code), end; !code && at != end; at.increment(code)) {
    std::string name = at->path().filename().string();
    if (job_id_time(name)) ids.push_back(std::move(name));
  }
  if (code) {
    return errno_error(code.value(),
                       "cannot read the spool " + root + ", check 'spool_dir' and its permissions");
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::optional<FileStamp> record_stamp(const std::string& root, const std::string& job_id) {
  struct stat info {};
  if (::stat(record_path(job_folder(root, job_id)).c_str(), &info) != 0) return std::nullopt;
  return FileStamp{info.st_ino, static_cast<std::uint64_t>(info.st_size),
                   std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec};
}

std::string checkpoint_of(const std::string& root, const JobRecord& record) {
  if (record.from_spool.empty()) return record.directory;
  std::string there = (fs::path(root) / record.from_spool).lexically_normal().string();
  std::error_code ignored;
  return fs::is_directory(there, ignored) ? there : record.directory;
}

Status request_cancel(const std::string& root, const std::string& job_id) {
  HUBREV_CHECK(check_job_id(job_id));
  const std::string path = cancel_path(root, job_id);
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file) return {};
  if (errno == ENOENT) {
    return make_error(ErrorKind::kNotFound, "the spool " + root + " holds no job " + job_id +
                                                "; 'hub-revisions status' lists them");
  }
  return errno_error(errno, "cannot ask for the cancel of job " + job_id + " at " + path);
}

bool cancel_requested(const std::string& root, const std::string& job_id) {
  return check_job_id(job_id).ok() && ::access(cancel_path(root, job_id).c_str(), F_OK) == 0;
}

}  // namespace hubrev
