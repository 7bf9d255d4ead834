#include "plugin/lfs/download.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <optional>
#include <span>
#include <utility>

#include "plugin/lfs/file_store.h"
#include "plugin/lfs/partial_file.h"
#include "plugin/types/address.h"
#include "plugin/types/source.h"

namespace hubrev {
namespace {

constexpr int kMaxRenewals = 3;                  // of an address, without a byte in between
constexpr std::size_t kCopyBuffer = 256 << 10;   // bytes
constexpr std::int64_t kExpiryMarginMs = 5'000;  // a request needs a moment to arrive

// One object's way, and what every step of it needs. One thread.
class Download {
 public:
  Download(const LfsDownload& item, PartialFile file, const LfsServer& server,
           const DownloadContext& context, const std::stop_token& stop)
      : item_(item),
        file_(std::move(file)),
        server_(server),
        context_(context),
        stop_(stop),
        what_("downloading " + item.path) {
    *context_.here += file_.size();
  }

  // From what is in the file to the whole object, by an LFS server's offer.
  Status get_object(DownloadOffer offer) {
    return complete([&] { return receive(offer); });
  }
  // The same from the folder of a repository.
  Status copy_object(const std::string& repository) {
    return complete([&] { return copy_rest(object_path(repository, item_.object.oid)); });
  }

 private:
  template <typename AddMissing>
  Status complete(AddMissing&& add_missing) {
    const bool resumed = file_.size() > 0;
    HUBREV_CHECK(add_missing());
    Sha256 digest = file_.digest();
    if (resumed && digest != item_.object.oid) {
      // What was there may have been damaged, by a power loss for one.
      HUBREV_CHECK(restart());
      HUBREV_CHECK(add_missing());
      digest = file_.digest();
    }
    if (digest == item_.object.oid) return {};
    ::unlink(item_.file.c_str());
    return make_error(ErrorKind::kCorrupt, what_ + ": the revision names the SHA-256 " +
                                               item_.object.oid.hex() +
                                               ", but the server's bytes have " + digest.hex() +
                                               "; the object is damaged there");
  }

  Status copy_rest(const std::string& object) {
    const std::uint64_t have = file_.size();
    SourceReader reader =
        Source::from_file(object, item_.object.size).slice(have, item_.object.size - have);
    std::vector<char> buffer(kCopyBuffer);
    for (;;) {
      if (stop_.stop_requested()) return make_error(ErrorKind::kCancelled, "cancelled");
      auto got = reader.read(std::span(buffer));
      if (!got.ok()) return with_context(std::move(got).error(), what_);
      if (*got == 0) return {};
      HUBREV_CHECK(take({buffer.data(), *got}));
    }
  }

  Status receive(DownloadOffer& offer) {
    for (int renewals = 0; file_.size() < item_.object.size;) {
      if (offer.error) {
        HUBREV_TRY(offer, request_offer(std::exchange(offer.error, std::nullopt)));
      }
      if (!offer.download) {
        return make_error(ErrorKind::kRejected, what_ + ": the LFS server does not say where");
      }
      const std::uint64_t before = file_.size();
      if (renewals >= kMaxRenewals || !has_expired(*offer.download)) {
        const Status got = get(offer);
        if (got.ok()) continue;
        if (file_.size() > before) renewals = 0;
        if (file_.size() > before && retryable(got.error().kind)) continue;
        if (got.error().kind != ErrorKind::kAuth || renewals >= kMaxRenewals) return got;
      }
      ++renewals;
      HUBREV_TRY(offer, request_offer(std::nullopt));
    }
    return {};
  }

  bool has_expired(const LfsAction& action) const {
    return action.expires_ms &&
           *action.expires_ms - kExpiryMarginMs <= context_.retry.clock->unix_ms();
  }

  // Asks for this object alone. An error that came with the batch counts as the first attempt.
  Result<DownloadOffer> request_offer(std::optional<Error> earlier) {
    return with_retry(context_.retry, stop_, [&]() -> Result<DownloadOffer> {
      if (earlier) return with_context(*std::exchange(earlier, std::nullopt), what_);
      HUBREV_TRY(std::vector<DownloadOffer> offers,
                 request_downloads(*context_.http, server_, {item_.object}, what_,
                                   context_.retry.clock->unix_ms(), stop_));
      if (const auto& error = offers.front().error) return with_context(*error, what_);
      return std::move(offers.front());
    });
  }

  Status get(const DownloadOffer& offer) {
    return with_retry(context_.retry, stop_, [&] { return get_once(offer); });
  }

  // What is still missing, in one request.
  Status get_once(const DownloadOffer& offer) {
    HttpRequest request;
    request.url = offer.download->href;
    request.headers = offer.download->headers;
    request.headers.emplace_back("Accept-Encoding", "identity");
    if (file_.size() > 0) {
      request.headers.emplace_back("Range", "bytes=" + std::to_string(file_.size()) + "-");
    }
    // A query is a signature, and stores refuse what is signed twice.
    const bool is_signed = offer.authenticated || request.url.find('?') != std::string::npos;
    if (!is_signed) request.credential = credential_for(server_, *offer.download);
    request.redirects = Redirects::kAnyHost;
    bool begun = false;
    request.sink = [&](const HttpResponse& head, std::string_view bytes) -> Status {
      if (!std::exchange(begun, true)) HUBREV_CHECK(begin(head));
      return take(bytes);
    };
    auto response = send_expecting_success(*context_.http, request, what_, stop_);
    if (!response.ok()) {
      Error error = std::move(response).error();
      constexpr int kRangeNotSatisfiable = 416;
      if (error.http_status == kRangeNotSatisfiable && file_.size() > 0) {
        HUBREV_CHECK(restart());
        error.kind = ErrorKind::kServer;  // without a range it may have it
      }
      return error;
    }
    if (file_.size() == item_.object.size) return {};
    return make_error(ErrorKind::kNetwork, what_ + ": the answer ended after " +
                                               std::to_string(file_.size()) + " of " +
                                               std::to_string(item_.object.size) + " bytes");
  }

  // A server need not know ranges, and then sends everything.
  Status begin(const HttpResponse& head) {
    constexpr int kPartialContent = 206;
    if (head.status != kPartialContent) return restart();
    constexpr std::string_view kUnit = "bytes ";
    std::string_view range = head.header("content-range");
    std::uint64_t first = 0;
    const bool named =
        range.starts_with(kUnit) &&
        std::from_chars(range.data() + kUnit.size(), range.data() + range.size(), first).ec ==
            std::errc();
    if (named && first == file_.size()) return {};
    return make_error(ErrorKind::kRejected, what_ +
                                                ": the server answered with other bytes than "
                                                "those that were asked for");
  }

  Status take(std::string_view bytes) {
    if (bytes.size() > item_.object.size - file_.size()) {
      return make_error(ErrorKind::kCorrupt, what_ + ": the server sends more than the " +
                                                 std::to_string(item_.object.size) +
                                                 " bytes that the object has");
    }
    HUBREV_CHECK(file_.append(bytes));
    *context_.here += bytes.size();
    *context_.received += bytes.size();
    return {};
  }

  Status restart() {
    *context_.here -= file_.size();
    return file_.restart();
  }

  const LfsDownload& item_;
  PartialFile file_;
  const LfsServer& server_;
  const DownloadContext& context_;
  const std::stop_token& stop_;
  const std::string what_;
};

Result<std::vector<DownloadOffer>> request_group(std::span<const LfsDownload> group,
                                                 const LfsServer& server,
                                                 const DownloadContext& context,
                                                 const std::stop_token& stop) {
  std::vector<LfsPointer> objects;
  for (const LfsDownload& item : group) objects.push_back(item.object);
  std::string what = "downloading " + group.front().path;
  if (group.size() > 1) what += " and " + std::to_string(group.size() - 1) + " more";
  return with_retry(context.retry, stop, [&] {
    return request_downloads(*context.http, server, objects, what, context.retry.clock->unix_ms(),
                             stop);
  });
}

Status download_group(std::span<const LfsDownload> group, const LfsServer& server,
                      const DownloadContext& context, const std::stop_token& stop) {
  const bool from_folder = is_file_url(server.url);
  std::vector<DownloadOffer> offers(group.size());
  if (!from_folder) {
    HUBREV_TRY(offers, request_group(group, server, context, stop));
  }
  std::vector<StoppableTask> tasks;
  for (std::size_t i = 0; i < group.size(); ++i) {
    tasks.emplace_back([&, i](const std::stop_token& until) -> Status {
      HUBREV_TRY(PartialFile file, PartialFile::open(group[i].file, group[i].object.size, until));
      Download download(group[i], std::move(file), server, context, until);
      return from_folder ? download.copy_object(file_url_path(server.url))
                         : download.get_object(std::move(offers[i]));
    });
  }
  return context.pool->run_until_error(std::move(tasks), stop);
}

}  // namespace

Status download_objects(const std::vector<LfsDownload>& downloads, const LfsServer& server,
                        const DownloadContext& context, const std::stop_token& stop) {
  for (std::span<const LfsDownload> left(downloads); !left.empty();) {
    const auto group = left.first(std::min(left.size(), kMaxBatchObjects));
    HUBREV_CHECK(download_group(group, server, context, stop));
    left = left.subspan(group.size());
  }
  return {};
}

}  // namespace hubrev
