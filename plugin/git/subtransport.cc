#include "plugin/git/subtransport.h"

#include <git2/sys/transport.h>

#include <memory>
#include <span>
#include <type_traits>

#include "plugin/git/git_error.h"
#include "plugin/git/git_handles.h"
#include "plugin/git/stream.h"

namespace hubrev {
namespace {

// What libgit2 sees: its own struct first, then the way back to ours.
struct CStream {
  git_smart_subtransport_stream base;
  Stream* stream;
};
struct CSubtransport {
  git_smart_subtransport base;
  Exchange* exchange;
};
static_assert(std::is_standard_layout_v<CStream> && std::is_standard_layout_v<CSubtransport>);

Stream& stream_of(git_smart_subtransport_stream* base) {
  return *reinterpret_cast<CStream*>(base)->stream;
}

int read_stream(git_smart_subtransport_stream* base, char* buffer, size_t size,
                size_t* got) noexcept {
  *got = 0;
  Stream& stream = stream_of(base);
  return stream.exchange().guard([&]() -> Status {
    HUBREV_TRY(*got, stream.read(std::span(buffer, size)));
    return {};
  });
}

int write_stream(git_smart_subtransport_stream* base, const char* bytes, size_t size) noexcept {
  Stream& stream = stream_of(base);
  return stream.exchange().guard([&] { return stream.write(std::string_view(bytes, size)); });
}

void free_stream(git_smart_subtransport_stream* base) noexcept {
  auto* stream = reinterpret_cast<CStream*>(base);
  delete stream->stream;
  delete stream;
}

Result<std::unique_ptr<Stream>> make_stream(Exchange& exchange, git_smart_service_t action) {
  switch (action) {
    case GIT_SERVICE_UPLOADPACK_LS:
      return std::make_unique<Stream>(exchange, StreamAction::kReadRefs, GitService::kUploadPack);
    case GIT_SERVICE_UPLOADPACK:
      return std::make_unique<Stream>(exchange, StreamAction::kCall, GitService::kUploadPack);
    case GIT_SERVICE_RECEIVEPACK_LS:
      return std::make_unique<Stream>(exchange, StreamAction::kReadRefs, GitService::kReceivePack);
    case GIT_SERVICE_RECEIVEPACK:
      return std::make_unique<Stream>(exchange, StreamAction::kCall, GitService::kReceivePack);
  }
  return make_error(ErrorKind::kInternal, "libgit2 asked for an unknown service");
}

int start_action(git_smart_subtransport_stream** out, git_smart_subtransport* base,
                 const char* /*url*/, git_smart_service_t action) noexcept {
  Exchange& exchange = *reinterpret_cast<CSubtransport*>(base)->exchange;
  return exchange.guard([&]() -> Status {
    HUBREV_TRY(auto stream, make_stream(exchange, action));
    auto shell = std::make_unique<CStream>();
    shell->base = {base, read_stream, write_stream, free_stream};
    shell->stream = stream.release();
    *out = &shell.release()->base;
    return {};
  });
}

int close_subtransport(git_smart_subtransport* /*base*/) noexcept {
  return 0;
}

void free_subtransport(git_smart_subtransport* base) noexcept {
  delete reinterpret_cast<CSubtransport*>(base);
}

int create_subtransport(git_smart_subtransport** out, git_transport* /*owner*/,
                        void* payload) noexcept {
  auto* exchange = static_cast<Exchange*>(payload);
  return exchange->guard([&]() -> Status {
    auto subtransport = std::make_unique<CSubtransport>(
        CSubtransport{{start_action, close_subtransport, free_subtransport}, exchange});
    *out = &subtransport.release()->base;
    return {};
  });
}

int create_transport(git_transport** out, git_remote* owner, void* payload) noexcept {
  git_smart_subtransport_definition definition{create_subtransport, /*rpc=*/1, payload};
  return git_transport_smart(out, owner, &definition);
}

int add_server_text(const char* bytes, int size, void* payload) noexcept {
  auto* exchange = static_cast<Exchange*>(payload);
  return exchange->guard([&]() -> Status {
    exchange->server_text.append(std::string_view(bytes, static_cast<std::size_t>(size)));
    return {};
  });
}

int check_cancelled(const void* payload) {
  return static_cast<const Exchange*>(payload)->cancelled() ? GIT_EUSER : 0;
}

int on_pack_progress(int /*stage*/, std::uint32_t /*current*/, std::uint32_t /*total*/,
                     void* payload) noexcept {
  return check_cancelled(payload);
}

int on_transfer_progress(const git_indexer_progress* /*stats*/, void* payload) noexcept {
  return check_cancelled(payload);
}

}  // namespace

git_remote_callbacks callbacks_over(Exchange& exchange) {
  auto callbacks = git_options<git_remote_init_callbacks, GIT_REMOTE_CALLBACKS_VERSION>();
  callbacks.payload = &exchange;
  callbacks.transport = create_transport;
  callbacks.sideband_progress = add_server_text;
  callbacks.pack_progress = on_pack_progress;
  callbacks.transfer_progress = on_transfer_progress;
  return callbacks;
}

Status make_remote(git_remote** out, const Repository& repository, const Remote& remote,
                   const Exchange& exchange) {
  auto options = git_options<git_remote_create_options_init, GIT_REMOTE_CREATE_OPTIONS_VERSION>();
  options.repository = repository.handle();
  options.flags = GIT_REMOTE_CREATE_SKIP_INSTEADOF | GIT_REMOTE_CREATE_SKIP_DEFAULT_FETCHSPEC;
  return git_check(git_remote_create_with_opts(out, remote.url.c_str(), &options), exchange.doing);
}

}  // namespace hubrev
