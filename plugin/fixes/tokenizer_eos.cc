#include "plugin/fixes/tokenizer_eos.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <string_view>
#include <utility>

#include "plugin/base/utf8.h"
#include "plugin/fixes/entry_text.h"
#include "plugin/fixes/sentencepiece.h"

namespace hubrev {
namespace {

using Id = JsonText::Id;

constexpr std::uint64_t kMaxTokenizerBytes = std::uint64_t{256} << 20;

// Tokenizers whose ids are the piece's index. Others that use SentencePiece (XLM-R, mBART, NLLB,
// Pegasus ...) shift ids, so their model file alone says nothing.
constexpr std::array<std::string_view, 14> kIndexIsId = {
    "Albert", "BigBird",  "CodeLlama", "DebertaV2", "FNet", "GPTSw3", "Gemma",
    "Llama",  "Reformer", "RemBert",   "Siglip",    "T5",   "XLNet",  "InternLM2"};

struct Hit {
  std::string source;
  std::int64_t id;
};

// What was read so far: the EOS token's text and the ids that files give it.
struct Search {
  std::string token;
  std::vector<Hit> hits;
  std::string trouble;  // the first file that could not be understood

  void add(std::string source, std::optional<std::int64_t> id) {
    if (id) hits.push_back({std::move(source), *id});
  }
};

// A JSON object, or nothing where the file is missing or no such thing (noted in `search`).
Result<std::optional<JsonText>> read_quietly(const Snapshot& snapshot, const std::string& path,
                                             Search& search) {
  Result<std::optional<JsonText>> json = read_object(snapshot, path, kMaxTokenizerBytes);
  if (json.ok() || json.error().kind != ErrorKind::kInvalidInput) return json;
  if (search.trouble.empty()) search.trouble = json.error().message;
  return std::optional<JsonText>();
}

// A named token: "</s>", or an AddedToken's {"content": "</s>", ...}.
std::optional<std::string> token_text(const JsonText& json, std::string_view name) {
  const std::optional<Id> token = json.find({name});
  if (!token) return std::nullopt;
  if (json.kind(*token) == JsonKind::kObject) return json.string_member(*token, "content");
  return json.string(*token);
}

std::optional<std::int64_t> integer_at(const JsonText& json, Id object, std::string_view key) {
  const std::optional<Id> value = json.member(object, key);
  return value ? json.integer(*value) : std::nullopt;
}

// BPE, WordPiece and WordLevel map a token to its id; Unigram lists [token, score] by id.
std::optional<std::int64_t> vocab_id(const JsonText& json, Id vocab, std::string_view token) {
  if (json.kind(vocab) == JsonKind::kObject) return integer_at(json, vocab, token);
  if (json.kind(vocab) != JsonKind::kArray) return std::nullopt;
  std::int64_t index = 0;
  for (const Id pair : json.children(vocab)) {
    const std::vector<Id> parts = json.children(pair);
    if (!parts.empty() && json.string(parts.front()) == token) return index;
    ++index;
  }
  return std::nullopt;
}

void search_tokenizer_json(const JsonText& json, Search& search) {
  if (const auto vocab = json.find({"model", "vocab"})) {
    search.add("tokenizer.json", vocab_id(json, *vocab, search.token));
  }
  const auto added = json.find({"added_tokens"});
  if (!added) return;
  for (const Id token : json.children(*added)) {
    if (json.string_member(token, "content") == search.token) {
      search.add("tokenizer.json's added_tokens", integer_at(json, token, "id"));
    }
  }
}

// tokenizer_config.json of transformers 4: {"2": {"content": "</s>", ...}, ...}.
void search_decoder(const JsonText& config, Search& search) {
  const auto decoder = config.find({"added_tokens_decoder"});
  if (!decoder) return;
  for (const Id token : config.children(*decoder)) {
    if (config.string_member(token, "content") != search.token) continue;
    const std::string key = config.key(token);
    std::int64_t id = 0;
    const auto read = std::from_chars(key.data(), key.data() + key.size(), id);
    if (read.ec == std::errc() && read.ptr == key.data() + key.size()) {
      search.add("tokenizer_config.json's added_tokens_decoder", id);
    }
  }
}

std::optional<std::int64_t> line_number(std::string_view lines, std::string_view wanted) {
  std::int64_t number = 0;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    std::string_view line = lines.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line == wanted) return number;
    ++number;
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return std::nullopt;
}

Status search_vocabularies(const Snapshot& snapshot, Search& search) {
  for (const char* path : {"added_tokens.json", "vocab.json"}) {
    HUBREV_TRY(const auto json, read_quietly(snapshot, path, search));
    if (json) search.add(path, integer_at(*json, JsonText::kRoot, search.token));
  }
  if (find_entry(snapshot, "vocab.txt") == nullptr) return {};
  Result<std::optional<std::string>> lines = read_text(snapshot, "vocab.txt", kMaxTokenizerBytes);
  if (lines.ok()) {
    search.add("vocab.txt", line_number(**lines, search.token));
  } else if (lines.error().kind != ErrorKind::kInvalidInput) {
    return std::move(lines).error();
  }
  return {};
}

bool index_is_id(std::string_view tokenizer_class) {
  if (tokenizer_class.ends_with("Fast")) tokenizer_class.remove_suffix(4);
  if (!tokenizer_class.ends_with("Tokenizer")) return false;
  tokenizer_class.remove_suffix(std::string_view("Tokenizer").size());
  return std::find(kIndexIsId.begin(), kIndexIsId.end(), tokenizer_class) != kIndexIsId.end();
}

// Mistral's numbered models ("tokenizer.model.v3") are the only ones saved without a configuration;
// there the model itself says what EOS is, and `search.token` is empty.
bool is_sentencepiece_name(std::string_view path, const Search& search) {
  if (path.find('/') != std::string_view::npos) return false;
  if (path.starts_with("tokenizer.model.v")) return true;
  return !search.token.empty() && path.ends_with(".model");
}

// A tokenizer.model may also be a tiktoken rank file, which is ASCII; a ModelProto starts with the
// tag of its first piece.
Status search_sentencepiece(const Snapshot& snapshot, Search& search) {
  for (const Entry& entry : snapshot.entries) {
    if (!is_sentencepiece_name(entry.path, search)) continue;
    Result<std::optional<std::string>> bytes = read_text(snapshot, entry.path, kMaxTokenizerBytes);
    if (!bytes.ok()) {
      if (bytes.error().kind != ErrorKind::kInvalidInput) return std::move(bytes).error();
      continue;
    }
    if (!(*bytes)->starts_with('\n')) continue;
    const auto model = read_sentencepiece(**bytes, search.token);
    if (model) {
      if (search.token.empty()) search.token = model->eos_piece;
      search.add(entry.path, model->index);
    } else if (search.trouble.empty()) {
      search.trouble = entry.path + " is no SentencePiece model";
    }
  }
  return {};
}

// Mistral's own format: a special token's id is its rank, and EOS is "</s>" (2 in files that
// predate the list).
Status search_tekken(const Snapshot& snapshot, Search& search) {
  HUBREV_TRY(const auto json, read_quietly(snapshot, "tekken.json", search));
  if (!json) return {};
  if (search.token.empty()) search.token = "</s>";
  const auto specials = json->find({"special_tokens"});
  if (!specials || json->kind(*specials) != JsonKind::kArray) {
    if (search.token == "</s>") search.add("tekken.json", 2);
    return {};
  }
  for (const Id token : json->children(*specials)) {
    if (json->string_member(token, "token_str") == search.token) {
      search.add("tekken.json", integer_at(*json, token, "rank"));
    }
  }
  return {};
}

TokenizerEos conclude(Search search) {
  constexpr std::size_t kLongestToken = 100;  // bytes in a message
  const std::string token = "'" + shown_text(search.token, kLongestToken) + "'";
  TokenizerEos eos;
  if (search.hits.empty()) {
    eos.reason = !search.trouble.empty() ? search.trouble
                 : search.token.empty()
                     ? "the tokenizer's files name no EOS token"
                     : "no tokenizer file gives the id of the EOS token " + token;
    return eos;
  }
  const Hit& first = search.hits.front();
  eos.id = first.id;
  eos.source = first.source;
  std::set<std::string_view> told;  // a source may contradict itself any number of times
  for (const Hit& hit : search.hits) {
    if (hit.id == first.id || !told.insert(hit.source).second) continue;
    eos.conflicts.push_back("the EOS token " + token + " is " + std::to_string(first.id) + " in " +
                            first.source + " but " + std::to_string(hit.id) + " in " + hit.source +
                            "; the first is used");
  }
  return eos;
}

// The EOS token's text. special_tokens_map.json wins, as in the loader, unless the configuration
// lists its added tokens itself.
Status find_token(const Snapshot& snapshot, const std::optional<JsonText>& config, Search& search) {
  if (config) search.token = token_text(*config, "eos_token").value_or("");
  if (config && config->find({"added_tokens_decoder"})) return {};
  HUBREV_TRY(const auto map, read_quietly(snapshot, "special_tokens_map.json", search));
  if (!map) return {};
  if (const auto token = token_text(*map, "eos_token")) search.token = *token;
  return {};
}

}  // namespace

Result<TokenizerEos> find_tokenizer_eos(const Snapshot& snapshot) {
  Search search;
  HUBREV_TRY(const auto config, read_quietly(snapshot, "tokenizer_config.json", search));
  HUBREV_CHECK(find_token(snapshot, config, search));
  HUBREV_TRY(const auto tokenizer, read_quietly(snapshot, "tokenizer.json", search));
  if (!search.token.empty()) {
    if (tokenizer) search_tokenizer_json(*tokenizer, search);
    if (config) search_decoder(*config, search);
    HUBREV_CHECK(search_vocabularies(snapshot, search));
  }
  if (tokenizer || !search.hits.empty()) return conclude(std::move(search));
  HUBREV_CHECK(search_tekken(snapshot, search));
  const std::string tokenizer_class =
      config ? config->string_member(JsonText::kRoot, "tokenizer_class").value_or("") : "";
  const bool bare = !config && search.token.empty();
  if (bare || (!search.token.empty() && index_is_id(tokenizer_class))) {
    HUBREV_CHECK(search_sentencepiece(snapshot, search));
  }
  return conclude(std::move(search));
}

}  // namespace hubrev
