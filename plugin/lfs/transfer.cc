#include "plugin/lfs/transfer.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace hubrev {
namespace {

constexpr int kMaxRenewals = 3;
constexpr std::int64_t kExpiryMarginMs = 5'000;  // git-lfs's; a request needs a moment to arrive

// One object's way, and what every step of it needs.
struct Transfer {
  const ObjectToSend& item;
  const LfsServer& server;
  const UploadContext& context;
  const std::stop_token& stop;
  std::string what;  // names the path
};

Result<HttpResponse> put(const Transfer& transfer, HttpRequest request, const Source& body) {
  request.method = "PUT";
  request.body = body;
  request.sent = &transfer.context.progress->bytes_sent;
  return with_retry(transfer.context.retry, transfer.stop, [&] {
    return send_expecting_success(*transfer.context.http, request, transfer.what, transfer.stop);
  });
}

Status send_parts(const Transfer& transfer, const LfsAction& upload,
                  const MultipartUpload& multipart) {
  const Source& source = transfer.item.file->source;
  std::vector<std::string> etags;
  for (const std::string& url : multipart.part_urls) {
    const std::uint64_t offset = etags.size() * multipart.chunk_size;
    const std::uint64_t length = std::min(multipart.chunk_size, source.size() - offset);
    HttpRequest request;
    request.url = url;
    HUBREV_TRY(const HttpResponse response,
               put(transfer, std::move(request), source.subrange(offset, length)));
    etags.emplace_back(response.header("etag"));
    if (etags.back().empty()) {
      return make_error(ErrorKind::kRejected, transfer.what + ": the store gave no ETag for part " +
                                                  std::to_string(etags.size()));
    }
  }
  return with_retry(transfer.context.retry, transfer.stop, [&] {
    return complete_multipart(*transfer.context.http, upload, transfer.item.object.oid, etags,
                              transfer.what, transfer.stop);
  });
}

Status send_bytes(const Transfer& transfer, const UploadOffer& offer) {
  if (offer.multipart) return send_parts(transfer, *offer.upload, *offer.multipart);
  HttpRequest request;
  request.url = offer.upload->href;
  request.headers = offer.upload->headers;
  // A query is a signature, and stores refuse what is signed twice.
  const bool is_signed = offer.authenticated || request.url.find('?') != std::string::npos;
  if (!is_signed) request.credential = credential_for(transfer.server, *offer.upload);
  HUBREV_CHECK(put(transfer, std::move(request), transfer.item.file->source));
  return {};
}

Status verify(const Transfer& transfer, const LfsAction& action) {
  const std::string what = "verifying " + transfer.item.file->path;
  return with_retry(transfer.context.retry, transfer.stop, [&] {
    return verify_upload(*transfer.context.http, transfer.server, action, transfer.item.object,
                         what, transfer.stop);
  });
}

// Asks for this object alone. An error that came with the group's batch counts as the first
// attempt, so that the server gets its pause before the next.
Result<UploadOffer> request_offer(const Transfer& transfer, std::optional<Error> earlier) {
  const UploadContext& context = transfer.context;
  return with_retry(context.retry, transfer.stop, [&]() -> Result<UploadOffer> {
    if (earlier) return *std::exchange(earlier, std::nullopt);
    HUBREV_TRY(std::vector<UploadOffer> offers,
               request_uploads(*context.http, transfer.server, {transfer.item.object},
                               transfer.what, context.retry.clock->unix_ms(), transfer.stop));
    if (const auto& error = offers.front().error) return with_context(*error, transfer.what);
    return std::move(offers.front());
  });
}

bool has_expired(const LfsAction& action, Clock& clock) {
  return action.expires_ms && *action.expires_ms - kExpiryMarginMs <= clock.unix_ms();
}

}  // namespace

Status send_object(const ObjectToSend& item, UploadOffer offer, const LfsServer& server,
                   const UploadContext& context, const std::stop_token& stop) {
  const Transfer transfer{item, server, context, stop, "uploading " + item.file->path};
  if (offer.error) {
    HUBREV_TRY(offer, request_offer(transfer, with_context(*offer.error, transfer.what)));
  }
  for (int renewals = 0;; ++renewals) {
    if (!offer.upload) {
      context.progress->bytes_present += item.object.size;
      return {};
    }
    const bool may_renew = renewals < kMaxRenewals;
    // A fresh address that looks expired time and again is tried all the same: our own clock may be
    // wrong, and the store is the judge.
    if (!may_renew || !has_expired(*offer.upload, *context.retry.clock)) {
      const Status sent = send_bytes(transfer, offer);
      if (sent.ok()) break;
      if (!may_renew || sent.error().kind != ErrorKind::kAuth) return sent.error();
    }
    HUBREV_TRY(offer, request_offer(transfer, std::nullopt));
  }
  if (offer.verify) return verify(transfer, *offer.verify);
  return {};
}

}  // namespace hubrev
