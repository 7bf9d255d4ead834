#include "plugin/git/advertisement.h"

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <utility>

#include "plugin/base/utf8.h"

namespace hubrev {
namespace {

constexpr std::size_t kLengthDigits = 4;
constexpr std::size_t kIdDigits = 2 * GitId::kSize;
constexpr char kDataBand = 1;

Error malformed(std::string_view why) {
  return make_error(ErrorKind::kNetwork,
                    "the server's answer is cut short or not git's: " + std::string(why));
}

// One pkt-line: its payload, or a flush.
struct Packet {
  std::string_view payload;
  bool flush = false;
};

Result<Packet> take_packet(std::string_view& rest) {
  if (rest.size() < kLengthDigits) return malformed("it ends inside a packet");
  unsigned length = 0;
  const char* end = rest.data() + kLengthDigits;
  const auto [at, code] = std::from_chars(rest.data(), end, length, 16);
  if (code != std::errc() || at != end) return malformed("a packet without a length");
  if (length == 0) {
    rest.remove_prefix(kLengthDigits);
    return Packet{{}, true};
  }
  if (length <= kLengthDigits) return malformed("an empty packet");
  if (length > rest.size()) return malformed("it ends inside a packet");
  const Packet packet{rest.substr(kLengthDigits, length - kLengthDigits), false};
  rest.remove_prefix(length);
  return packet;
}

Status check_ref_line(std::string_view line, bool first) {
  if (line.starts_with("ERR ")) {
    return make_error(ErrorKind::kRejected, "the server says: " + shown_text(line.substr(4)));
  }
  const std::size_t space = line.find(' ');
  if (space == 2 * Sha256::kSize && Sha256::from_hex(line.substr(0, space))) {
    return make_error(ErrorKind::kRejected,
                      "the repository uses SHA-256 object names, which are not supported");
  }
  if (space != kIdDigits || !GitId::from_hex(line.substr(0, kIdDigits))) {
    return malformed("a line that is no ref");
  }
  std::string_view name = line.substr(kIdDigits + 1);
  if (name.ends_with('\n')) name.remove_suffix(1);
  const std::size_t capabilities = name.find('\0');
  if (name.empty() || capabilities == 0) return malformed("a ref without a name");
  if (!first && capabilities != std::string_view::npos) return malformed("a NUL byte in a ref");
  return {};
}

// What git's upload-pack sends to a client that asks for a pack (gitprotocol-pack): libgit2 does
// not free what it reads of any other packet.
bool is_upload_pack_packet(std::string_view payload) {
  constexpr char kLastBand = 3;
  return payload.starts_with("ACK ") || payload.starts_with("NAK") || payload.starts_with("ERR ") ||
         (payload.front() >= kDataBand && payload.front() <= kLastBand);
}

}  // namespace

std::string_view service_name(GitService service) {
  return service == GitService::kUploadPack ? "git-upload-pack" : "git-receive-pack";
}

Status check_advertisement(std::string_view body, GitService service) {
  HUBREV_TRY(Packet packet, take_packet(body));
  std::string_view header = packet.payload;
  if (header.starts_with("ERR ")) return check_ref_line(header, true);
  if (header.ends_with('\n')) header.remove_suffix(1);
  if (header != "# service=" + std::string(service_name(service))) {
    return malformed("it does not begin with the service's name");
  }
  HUBREV_TRY(packet, take_packet(body));
  if (!packet.flush) return malformed("no flush after the service's name");
  for (bool first = true;; first = false) {
    HUBREV_TRY(packet, take_packet(body));
    if (packet.flush) return {};
    HUBREV_CHECK(check_ref_line(packet.payload, first));
  }
}

Status check_pack(std::string_view body) {
  constexpr std::size_t kHeader = 12;  // "PACK", version, number of objects
  const std::size_t size = body.size();
  std::string header;
  bool flushed = false;
  while (!body.empty()) {
    HUBREV_TRY(const Packet packet, take_packet(body));
    flushed = packet.flush;
    if (!flushed && !is_upload_pack_packet(packet.payload)) {
      return malformed("a packet that upload-pack does not send");
    }
    if (packet.payload.starts_with(kDataBand) && header.size() < kHeader) {
      header += packet.payload.substr(1, kHeader - header.size());
    }
  }
  if (header.empty()) return {};  // one round of the negotiation
  if (header.size() < kHeader || !flushed) return malformed("it has no end");
  std::uint64_t objects = 0;
  for (std::size_t i = 8; i < kHeader; ++i) {
    objects = objects << 8 | static_cast<unsigned char>(header[i]);
  }
  if (objects > size) return malformed("a pack that promises more objects than it has bytes");
  return {};
}

std::string narrowed(std::string_view advertisement,
                     const std::function<bool(std::string_view ref, const GitId& id)>& wanted) {
  const std::string_view all = advertisement;
  (void)take_packet(advertisement);  // the service's name
  (void)take_packet(advertisement);
  std::string kept(all.substr(0, all.size() - advertisement.size()));
  std::string capabilities;
  bool first = true;
  const auto keep = [&](std::string_view line) {
    if (first && line.ends_with('\n')) line.remove_suffix(1);
    std::string payload(line);
    if (std::exchange(first, false)) payload += capabilities;
    char length[kLengthDigits + 1];
    std::snprintf(length, sizeof length, "%04zx", payload.size() + kLengthDigits);
    kept += length + payload;
  };
  for (bool head = true;; head = false) {
    const auto packet = take_packet(advertisement);
    if (!packet.ok() || packet->flush) break;
    std::string_view line = packet->payload;
    if (head) {
      const std::size_t end = std::min(line.find('\0'), line.size());
      capabilities = line.substr(end);
      line = line.substr(0, end);
    }
    std::string_view name = line.substr(kIdDigits + 1);
    if (name.ends_with('\n')) name.remove_suffix(1);
    if (wanted(name, *GitId::from_hex(line.substr(0, kIdDigits)))) keep(line);
  }
  // As a server without any ref says it.
  if (first && !capabilities.empty()) keep(GitId().hex() + " capabilities^{}");
  return kept + "0000";
}

Status check_report(std::string_view body) {
  bool flushed = false;
  while (!body.empty()) {
    HUBREV_TRY(const Packet packet, take_packet(body));
    flushed = packet.flush;
  }
  if (!flushed) return malformed("it has no end");
  return {};
}

}  // namespace hubrev
