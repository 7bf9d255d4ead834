// The answer to an LFS batch request for two objects.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "plugin/lfs/batch_answer.h"
#include "tests/fuzz/fuzz.h"

namespace hubrev::fuzz {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

bool is_plain(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return c < ' ' || c == 0x7F; });
}

void check_url(const std::string& url) {
  HUBREV_REQUIRE(url.starts_with("https://") || url.starts_with("http://"), url);
  HUBREV_REQUIRE(is_plain(url) && url.find(' ') == std::string::npos, url);
  HUBREV_REQUIRE(!url.starts_with("https://huggingface.co/"), url);  // the endpoint is another
}

// What goes into a request must not be able to end a header, or to add one.
void check_action(const LfsAction& action) {
  check_url(action.href);
  for (const auto& [name, value] : action.headers) {
    HUBREV_REQUIRE(!name.empty() && is_plain(name), name);
    HUBREV_REQUIRE(name.find_first_of(" :") == std::string::npos, name);
    HUBREV_REQUIRE(is_plain(value), value);
  }
}

void check_offer(const UploadOffer& offer, const LfsPointer& object) {
  if (!offer.agent.empty()) {
    HUBREV_REQUIRE(offer.agent == "xet", offer.agent);
    HUBREV_REQUIRE(offer.upload && nlohmann::json::parse(offer.upload->json).is_object(),
                   "an action that no agent can read");
    HUBREV_REQUIRE(offer.upload->href.empty() && !offer.multipart, "two ways at once");
  } else if (offer.upload) {
    check_action(*offer.upload);
  }
  if (offer.verify) check_action(*offer.verify);
  if (offer.error) {
    HUBREV_REQUIRE(!offer.upload && !offer.verify, offer.error->message);
    require_shown(offer.error->message);
  }
  if (!offer.multipart) return;
  HUBREV_REQUIRE(offer.upload.has_value(), "parts that nothing completes");
  const MultipartUpload& multipart = *offer.multipart;
  HUBREV_REQUIRE(multipart.chunk_size > 0, "no chunk_size");
  // The parts hold the object, and none of them is empty.
  const std::uint64_t before_last =
      multipart.part_urls.empty() ? 0 : (multipart.part_urls.size() - 1) * multipart.chunk_size;
  HUBREV_REQUIRE(object.size == 0 || before_last < object.size, "an empty part");
  HUBREV_REQUIRE(object.size == 0 || object.size - before_last <= multipart.chunk_size,
                 "too few parts");
  for (const std::string& url : multipart.part_urls) check_url(url);
}

}  // namespace

HUBREV_FUZZ(input) {
  const LfsServer server{"https://hub.example/o/m.git/info/lfs",
                         {AuthScheme::kBearer, Secret("t")},
                         "refs/heads/step-1",
                         "https://hub.example",
                         {"xet"}};
  const std::vector<LfsPointer> objects = {{*Sha256::from_hex(std::string(64, 'a')), 10},
                                           {*Sha256::from_hex(std::string(64, 'b')), 12ull << 30}};
  const auto offers = parse_batch_answer(input, server, objects, "uploading a", kNow);
  if (!offers.ok()) return require_error(offers.error(), ErrorKind::kRejected);
  HUBREV_REQUIRE(offers->size() == objects.size(), std::to_string(offers->size()));
  for (std::size_t i = 0; i < objects.size(); ++i) check_offer((*offers)[i], objects[i]);
}

}  // namespace hubrev::fuzz
