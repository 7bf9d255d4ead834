#include "plugin/pipeline/scratch.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <utility>

namespace hubrev {

Result<ScratchRepository> ScratchRepository::create() {
  std::error_code code;
  std::string path = (std::filesystem::temp_directory_path(code) / "hub-revisions-XXXXXX").string();
  if (code || ::mkdtemp(path.data()) == nullptr) return errno_error(errno, "cannot create " + path);
  return create_at(std::move(path));
}

Result<ScratchRepository> ScratchRepository::create_at(std::string path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
  auto repository = Repository::create(path);
  if (!repository.ok()) {
    std::filesystem::remove_all(path, ignored);
    return std::move(repository).error();
  }
  return ScratchRepository(std::move(path),
                           std::make_unique<Repository>(std::move(repository).value()));
}

ScratchRepository::ScratchRepository(std::string path, std::unique_ptr<Repository> repository)
    : path_(std::move(path)), repository_(std::move(repository)) {}

ScratchRepository::ScratchRepository(ScratchRepository&& other) noexcept
    : path_(std::exchange(other.path_, "")), repository_(std::move(other.repository_)) {}

ScratchRepository::~ScratchRepository() {
  if (path_.empty()) return;
  repository_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace hubrev
