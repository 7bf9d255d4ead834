#include "plugin/lfs/uploader.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <utility>
#include <variant>

#include "plugin/base/sha256.h"
#include "plugin/lfs/file_store.h"
#include "plugin/lfs/group_queue.h"
#include "plugin/lfs/hash_files.h"
#include "plugin/lfs/transfer.h"
#include "plugin/lfs/transfer_agents.h"
#include "plugin/types/address.h"

namespace hubrev {
namespace {

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

Status hash_groups(Upload& upload, const std::vector<FileGroup>& groups,
                   const std::stop_token& stop) {
  std::vector<FileToHash> files;
  for (const FileGroup& group : groups) {
    for (const std::size_t i : group) {
      if (upload.objects[i].size != 0) continue;  // by ask_for_large_files()
      files.push_back({&upload.files[i], &upload.objects[i]});
    }
  }
  HUBREV_CHECK(hash_files(files, *upload.context.progress, stop));
  return upload.context.still_unchanged ? upload.context.still_unchanged() : Status();
}

// The objects of the group that nobody else sends.
std::vector<ObjectToSend> claim_group(Upload& upload, const FileGroup& group) {
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

Status send_group(Upload& upload, const FileGroup& group, const std::stop_token& stop) {
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

// Sends one group, whichever is next; until one is hashed, it hashes.
Status upload_one_group(Upload& upload, GroupQueue& queue, const std::stop_token& stop) {
  for (;;) {
    HUBREV_TRY(GroupQueue::Work work, queue.take(stop));
    if (const auto* send = std::get_if<GroupQueue::Send>(&work)) {
      return send_group(upload, send->group, stop);
    }
    auto& hash = std::get<GroupQueue::Hash>(work);
    HUBREV_CHECK(hash_groups(upload, hash.groups, stop));
    queue.put_hashed(std::move(hash.groups));
  }
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
      HUBREV_CHECK(hash_groups(upload, {FileGroup{i}}, until));
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
  GroupQueue queue(files, context.pool->threads());
  const std::vector<StoppableTask> tasks(queue.size(), [&](const std::stop_token& until) {
    return upload_one_group(upload, queue, until);
  });
  HUBREV_CHECK(context.pool->run_until_error(tasks, stop));
  agents.finish(stop);
  return std::move(upload.objects);
}

}  // namespace hubrev
