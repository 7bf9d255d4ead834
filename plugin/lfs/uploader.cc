#include "plugin/lfs/uploader.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <span>
#include <utility>

#include "plugin/base/sha256.h"
#include "plugin/lfs/file_store.h"
#include "plugin/lfs/piece_hasher.h"
#include "plugin/lfs/transfer.h"
#include "plugin/lfs/transfer_agents.h"
#include "plugin/types/address.h"

namespace hubrev {
namespace {

constexpr std::uint64_t kSmallFile = 64ull << 20;  // bytes; smaller ones share a batch
// Bytes of the small files of one group.
constexpr std::uint64_t kSmallestGroup = 8ull << 20;
constexpr std::uint64_t kLargestGroup = 128ull << 20;
// Bytes; what fits a core's cache beside the rest, and how often a hash looks at its token.
constexpr std::size_t kHashBuffer = 256 << 10;

using Group = std::vector<std::size_t>;  // indices of files

// Large files alone, so that each starts sending as soon as it is hashed; small ones together, so
// that they cost one request, but in groups enough to keep every thread busy to the end. A group is
// short enough for its URLs to be used before they expire.
std::vector<Group> make_groups(const std::vector<LfsFile>& files, std::size_t threads) {
  std::uint64_t all_small = 0;
  for (const LfsFile& file : files) {
    if (file.source.size() < kSmallFile) all_small += file.source.size();
  }
  const std::uint64_t group_bytes =
      std::clamp(all_small / (2 * threads), kSmallestGroup, kLargestGroup);
  std::vector<Group> groups;
  Group small;
  std::uint64_t small_bytes = 0;
  const auto close = [&] {
    if (!small.empty()) groups.push_back(std::exchange(small, {}));
    small_bytes = 0;
  };
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::uint64_t size = files[i].source.size();
    if (size >= kSmallFile) {
      groups.push_back({i});
      continue;
    }
    if (small.size() == kMaxBatchObjects || small_bytes + size > group_bytes) close();
    small.push_back(i);
    small_bytes += size;
  }
  close();
  return groups;
}

// Which objects are taken care of. The group that claims one sends it; the others need not wait for
// it, because the whole call succeeds only if every group does.
class ClaimedObjects {
 public:
  // True for the first caller only.
  bool claim(const Sha256& oid) {
    const std::lock_guard lock(mutex_);
    return oids_.insert(oid).second;
  }

 private:
  std::mutex mutex_;  // guards oids_
  std::set<Sha256> oids_;
};

// One call of upload_files(), shared by its tasks.
struct Upload {
  const std::vector<LfsFile>& files;
  LfsServer server;  // knows of the agents
  const UploadContext& context;
  TransferAgents& agents;
  ClaimedObjects claimed;
  std::vector<LfsObject> objects;  // each slot is written by one task

  TransferContext transfers(const std::stop_token& stop) const {
    return {server, context, agents, stop};
  }
};

Result<LfsObject> hash_file(const LfsFile& file, Progress& progress, std::vector<char>& buffer,
                            const std::stop_token& stop) {
  Sha256Hasher hasher;
  PieceHasher pieces(file.pieces);
  SourceReader reader = file.source.open();
  for (;;) {
    if (stop.stop_requested()) return make_error(ErrorKind::kCancelled, "cancelled");
    auto got = reader.read(std::span(buffer));
    if (!got.ok()) return with_context(std::move(got).error(), "hashing " + file.path);
    if (*got == 0) {
      return LfsObject{file.path, hasher.finish(), file.source.size(), pieces.finish()};
    }
    hasher.update({buffer.data(), *got});
    pieces.update({buffer.data(), *got});
    progress.bytes_hashed += *got;
  }
}

Status hash_group(Upload& upload, const Group& group, const std::stop_token& stop) {
  std::vector<char> buffer(kHashBuffer);
  for (const std::size_t i : group) {
    if (upload.objects[i].size != 0) continue;  // by ask_for_large_files()
    HUBREV_TRY(upload.objects[i],
               hash_file(upload.files[i], *upload.context.progress, buffer, stop));
  }
  return upload.context.still_unchanged ? upload.context.still_unchanged() : Status();
}

// The objects of the group that nobody else sends.
std::vector<ObjectToSend> claim_group(Upload& upload, const Group& group) {
  std::vector<ObjectToSend> items;
  for (const std::size_t i : group) {
    const LfsObject& object = upload.objects[i];
    if (upload.claimed.claim(object.oid)) {
      items.push_back({&upload.files[i], {object.oid, object.size}});
    } else {
      upload.context.progress->bytes_present += object.size;
    }
  }
  return items;
}

// What an agent gets that needs no server.
std::vector<UploadOffer> standalone_offers(const std::string& agent, std::size_t count) {
  UploadOffer offer;
  offer.agent = agent;
  offer.upload.emplace();
  offer.upload->json = "null";
  return std::vector<UploadOffer>(count, offer);
}

Result<std::vector<UploadOffer>> request_group(const Upload& upload,
                                               const std::vector<ObjectToSend>& items,
                                               const std::stop_token& stop) {
  if (const TransferAgent* agent = upload.agents.standalone()) {
    return standalone_offers(agent->name, items.size());
  }
  std::vector<LfsPointer> objects;
  objects.reserve(items.size());
  for (const ObjectToSend& item : items) objects.push_back(item.object);
  std::string what = "uploading " + items.front().file->path;
  if (items.size() > 1) what += " and " + std::to_string(items.size() - 1) + " more";
  const UploadContext& context = upload.context;
  return with_retry(context.retry, stop, [&] {
    return request_uploads(*context.http, upload.server, objects, what,
                           context.retry.clock->unix_ms(), stop);
  });
}

// After a wait for another checkpoint's upload, the batch says that the server has the object.
Result<ObjectsInFlight::Turn> take_turn(const Upload& upload,
                                        const std::vector<ObjectToSend>& items,
                                        const std::stop_token& stop) {
  std::vector<Sha256> oids;
  oids.reserve(items.size());
  for (const ObjectToSend& item : items) oids.push_back(item.object.oid);
  return upload.context.in_flight->take(upload.server.url, oids, stop);
}

// No server and no agent: the objects go into the repository's folder.
bool stores_itself(const Upload& upload) {
  return is_file_url(upload.server.url) && upload.agents.standalone() == nullptr;
}

Status store_group(const Upload& upload, const std::vector<ObjectToSend>& items,
                   const std::stop_token& stop) {
  const std::string repository = file_url_path(upload.server.url);
  for (const ObjectToSend& item : items) {
    HUBREV_CHECK(store_object(item, repository, upload.context, stop));
  }
  return {};
}

Status upload_group(Upload& upload, const Group& group, const std::stop_token& stop) {
  HUBREV_CHECK(hash_group(upload, group, stop));
  const std::vector<ObjectToSend> items = claim_group(upload, group);
  if (items.empty()) return {};
  HUBREV_TRY(const ObjectsInFlight::Turn turn, take_turn(upload, items, stop));
  if (stores_itself(upload)) return store_group(upload, items, stop);
  HUBREV_TRY(std::vector<UploadOffer> offers, request_group(upload, items, stop));
  for (std::size_t i = 0; i < items.size(); ++i) {
    HUBREV_CHECK(send_object(items[i], std::move(offers[i]), upload.transfers(stop)));
  }
  return {};
}

// What is too large for one PUT is asked for ahead of everything else, because a way for it may be
// missing. The uplink waits for these hashes, which take a fraction of the time of the upload; the
// files are asked for again when it is their turn, as addresses expire.
std::vector<StoppableTask> ask_for_large_files(Upload& upload) {
  std::vector<StoppableTask> tasks;
  if (upload.agents.standalone() != nullptr || stores_itself(upload)) return tasks;
  const std::uint64_t limit = upload.context.max_put_size.value_or(UINT64_MAX);
  for (std::size_t i = 0; i < upload.files.size() && upload.files[i].source.size() > limit; ++i) {
    tasks.emplace_back([&upload, i](const std::stop_token& until) -> Status {
      HUBREV_CHECK(hash_group(upload, {i}, until));
      const LfsObject& object = upload.objects[i];
      const ObjectToSend item{&upload.files[i], {object.oid, object.size}};
      HUBREV_TRY(const UploadOffer offer, request_offer(item, upload.transfers(until)));
      return check_way(item, offer, upload.context);
    });
  }
  return tasks;
}

}  // namespace

Result<std::vector<LfsObject>> upload_files(const std::vector<LfsFile>& files,
                                            const LfsServer& server, const UploadContext& context,
                                            const std::stop_token& stop) {
  TransferAgents agents(context.agents, server.credential.token, context.pool->threads());
  Upload upload{files, server, context, agents, {}, std::vector<LfsObject>(files.size())};
  upload.server.agents = agents.names();
  HUBREV_CHECK(context.pool->run_until_error(ask_for_large_files(upload), stop));
  std::vector<StoppableTask> tasks;
  for (Group& group : make_groups(files, context.pool->threads())) {
    tasks.emplace_back([&upload, group = std::move(group)](const std::stop_token& until) {
      return upload_group(upload, group, until);
    });
  }
  HUBREV_CHECK(context.pool->run_until_error(std::move(tasks), stop));
  agents.finish(stop);
  return std::move(upload.objects);
}

}  // namespace hubrev
