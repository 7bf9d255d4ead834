#include "plugin/lfs/transfer.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "plugin/lfs/transfer_agents.h"

namespace hubrev {
namespace {

constexpr int kMaxRenewals = 3;
constexpr std::int64_t kExpiryMarginMs = 5'000;  // git-lfs's; a request needs a moment to arrive

// One object's way, and what every step of it needs.
struct Transfer {
  Transfer(const ObjectToSend& one, const TransferContext& all)
      : item(one),
        server(all.server),
        context(all.upload),
        agents(all.agents),
        stop(all.stop),
        what("uploading " + one.file->path) {}

  const ObjectToSend& item;
  const LfsServer& server;
  const UploadContext& context;
  TransferAgents& agents;
  const std::stop_token& stop;
  std::string what;  // names the path
};

std::string ways_out(const std::string& path) {
  const std::string other = path.ends_with(".safetensors")
                                ? "or publish it in smaller shards ('max_shard_size')"
                                : "or leave it out: with \"contents\": \"inference\" there is no "
                                  "optimizer state, and weights "
                                  "saved as safetensors are published in shards";
  return "; let a transfer agent carry it ('transfer_agents'), " + other;
}

bool is_too_large(const ObjectToSend& item, const UploadContext& context) {
  return context.max_put_size && item.object.size > *context.max_put_size;
}

// 413 is what a server, or a proxy before it, says of a body that is too large for it.
Error with_ways_out(Error error, const Transfer& transfer) {
  const bool of_size = error.http_status == 413 || (error.kind == ErrorKind::kRejected &&
                                                    is_too_large(transfer.item, transfer.context));
  if (of_size) error.message += ways_out(transfer.item.file->path);
  return error;
}

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

Status send_by_agent(const Transfer& transfer, const UploadOffer& offer) {
  return with_retry(transfer.context.retry, transfer.stop, [&]() -> Status {
    const Status sent =
        transfer.agents.upload(offer.agent, *transfer.item.file, transfer.item.object,
                               offer.upload->json, *transfer.context.progress, transfer.stop);
    if (!sent.ok()) return with_context(sent.error(), transfer.what);
    return sent;
  });
}

Status send_bytes(const Transfer& transfer, const UploadOffer& offer) {
  if (!offer.agent.empty()) return send_by_agent(transfer, offer);
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
Result<UploadOffer> request_again(const Transfer& transfer, std::optional<Error> earlier) {
  const UploadContext& context = transfer.context;
  return with_retry(context.retry, transfer.stop, [&]() -> Result<UploadOffer> {
    if (earlier) return *std::exchange(earlier, std::nullopt);
    HUBREV_TRY(std::vector<UploadOffer> offers,
               request_uploads(*context.http, transfer.server, {transfer.item.object},
                               transfer.what, context.retry.clock->unix_ms(), transfer.stop));
    if (const auto& error = offers.front().error) {
      return with_context(with_ways_out(*error, transfer), transfer.what);
    }
    return std::move(offers.front());
  });
}

bool has_expired(const LfsAction& action, Clock& clock) {
  return action.expires_ms && *action.expires_ms - kExpiryMarginMs <= clock.unix_ms();
}

}  // namespace

Status check_way(const ObjectToSend& item, const UploadOffer& offer, const UploadContext& context) {
  const bool in_one_put = offer.upload && !offer.multipart && offer.agent.empty();
  if (!in_one_put || !is_too_large(item, context)) return {};
  return make_error(ErrorKind::kInvalidInput,
                    item.file->path + " has " + std::to_string(item.object.size) +
                        " bytes; the server offers one PUT for it, which may have at most " +
                        std::to_string(*context.max_put_size) + " ('max_put_size')" +
                        ways_out(item.file->path));
}

Result<UploadOffer> request_offer(const ObjectToSend& item, const TransferContext& context) {
  return request_again(Transfer(item, context), std::nullopt);
}

Status send_object(const ObjectToSend& item, UploadOffer offer, const TransferContext& all) {
  const Transfer transfer(item, all);
  const UploadContext& context = all.upload;
  if (offer.error) {
    Error error = with_context(with_ways_out(*std::move(offer.error), transfer), transfer.what);
    HUBREV_TRY(offer, request_again(transfer, std::move(error)));
  }
  for (int renewals = 0;; ++renewals) {
    if (!offer.upload) {
      context.progress->bytes_present += item.object.size;
      return {};
    }
    HUBREV_CHECK(check_way(item, offer, context));
    const bool may_renew = renewals < kMaxRenewals && all.agents.standalone() == nullptr;
    // A fresh address that looks expired time and again is tried all the same: our own clock may be
    // wrong, and the store is the judge.
    if (!may_renew || !has_expired(*offer.upload, *context.retry.clock)) {
      const Status sent = send_bytes(transfer, offer);
      if (sent.ok()) break;
      if (!may_renew || sent.error().kind != ErrorKind::kAuth) {
        return with_ways_out(sent.error(), transfer);
      }
    }
    HUBREV_TRY(offer, request_again(transfer, std::nullopt));
  }
  if (offer.verify) return verify(transfer, *offer.verify);
  return {};
}

}  // namespace hubrev
