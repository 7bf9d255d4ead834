#pragma once
// Brings one object to where the server wants it. Private to this layer.

#include <stop_token>
#include <string>

#include "plugin/lfs/batch_api.h"
#include "plugin/lfs/uploader.h"

namespace hubrev {

class TransferAgents;

struct ObjectToSend {
  const LfsFile* file = nullptr;
  LfsPointer object;
};

// What the transfers of one upload share.
struct TransferContext {
  const LfsServer& server;
  const UploadContext& upload;
  TransferAgents& agents;
  std::stop_token stop;
};

// Whether the bytes may go the way that `offer` names: kInvalidInput, with what to do instead, for
// an object in one PUT that is above the limit of those.
Status check_way(const ObjectToSend& item, const UploadOffer& offer, const UploadContext& upload);

// Asks for this object alone, with retries.
Result<UploadOffer> request_offer(const ObjectToSend& item, const TransferContext& context);

// Follows `offer`: upload, by an agent where it names one, then verify where asked. Addresses that
// have expired, or that their store refuses (401, 403), are asked for again, a bounded number of
// times. Blocks; errors name the path.
Status send_object(const ObjectToSend& item, UploadOffer offer, const TransferContext& context);

}  // namespace hubrev
