#pragma once
// Brings one object to where the server wants it. Private to this layer.

#include <stop_token>
#include <string>

#include "plugin/lfs/batch_api.h"
#include "plugin/lfs/uploader.h"

namespace hubrev {

struct ObjectToSend {
  const LfsFile* file = nullptr;
  LfsPointer object;
};

// Follows `offer`: upload, then verify where asked. Addresses that have expired, or that their
// store refuses (401, 403), are asked for again, a bounded number of times. Blocks; errors name the
// path.
Status send_object(const ObjectToSend& item, UploadOffer offer, const LfsServer& server,
                   const UploadContext& context, const std::stop_token& stop);

}  // namespace hubrev
