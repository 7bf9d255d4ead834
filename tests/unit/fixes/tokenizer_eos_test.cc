#include "plugin/fixes/tokenizer_eos.h"

#include <gtest/gtest.h>

#include "plugin/fixes/sentencepiece.h"
#include "tests/unit/fixes/snapshots.h"

namespace hubrev {
namespace {

using testing::Files;
using testing::snapshot_of;

// One length-delimited protobuf field of less than 128 bytes.
std::string field(int number, const std::string& bytes) {
  std::string tag;
  for (int value = number << 3 | 2;; value >>= 7) {
    tag += static_cast<char>(value > 127 ? (value & 127) | 128 : value);
    if (value <= 127) break;
  }
  return tag + static_cast<char>(bytes.size()) + bytes;
}

std::string piece(const std::string& text) {
  return field(1, field(1, text) + std::string("\x15\0\0\0\0", 5) + "\x18\x03");
}

std::string model(const std::string& eos_piece = "") {
  const std::string spec = std::string("\xD0\x02\x02", 3) +  // eos_id, field 42, varint
                           (eos_piece.empty() ? "" : field(47, eos_piece));
  return piece("<unk>") + piece("<s>") + piece("</s>") + piece("<end>") + field(2, spec);
}

const char* const kV4Decoder =
    R"({"eos_token": {"__type": "AddedToken", "content": "<e>"},
        "added_tokens_decoder": {"5": {"content": "<pad>"}, "7": {"content": "<e>"}}})";

struct Row {
  const char* name;
  Files files;
  std::optional<std::int64_t> id;
  std::string source_or_reason;
};

const Row kRows[] = {
    {"BPE vocabulary",
     {{"tokenizer_config.json", R"({"eos_token": "<e>"})"},
      {"tokenizer.json", R"({"model": {"type": "BPE", "vocab": {"a": 0, "<e>": 3}}})"}},
     3,
     "tokenizer.json"},
    {"Unigram list",
     {{"tokenizer_config.json", R"({"eos_token": "</s>"})"},
      {"tokenizer.json", R"({"model": {"vocab": [["<pad>", 0.0], ["</s>", -1e3]]}})"}},
     1,
     "tokenizer.json"},
    {"added token",
     {{"tokenizer_config.json", R"({"eos_token": "<|im_end|>"})"},
      {"tokenizer.json",
       R"({"added_tokens": [{"id": 9, "content": "x"}, {"id": 151645, "content": "<|im_end|>"}],
           "model": {"vocab": {}}})"}},
     151645,
     "tokenizer.json's added_tokens"},
    {"transformers 4, slow",
     {{"tokenizer_config.json", kV4Decoder}},
     7,
     "tokenizer_config.json's added_tokens_decoder"},
    {"special_tokens_map overrides",
     {{"tokenizer_config.json", R"({"eos_token": "a"})"},
      {"special_tokens_map.json", R"({"eos_token": {"content": "b", "lstrip": false}})"},
      {"vocab.json", R"({"a": 1, "b": 2})"}},
     2,
     "vocab.json"},
    {"special_tokens_map is ignored beside added_tokens_decoder",
     {{"tokenizer_config.json", kV4Decoder}, {"special_tokens_map.json", R"({"eos_token": "z"})"}},
     7,
     "tokenizer_config.json's added_tokens_decoder"},
    {"added_tokens.json",
     {{"tokenizer_config.json", R"({"eos_token": "<e>"})"},
      {"added_tokens.json", R"({"<e>": 11})"}},
     11,
     "added_tokens.json"},
    {"vocab.txt",
     {{"tokenizer_config.json", R"({"eos_token": "[SEP]"})"},
      {"vocab.txt", "[PAD]\r\n[CLS]\r\n[SEP]"}},
     2,
     "vocab.txt"},
    {"SentencePiece of a class whose ids are indices",
     {{"tokenizer_config.json", R"({"eos_token": "</s>", "tokenizer_class": "LlamaTokenizer"})"},
      {"tokenizer.model", model()}},
     2,
     "tokenizer.model"},
    {"SentencePiece looks the named token up, not eos_id",
     {{"tokenizer_config.json", R"({"eos_token": "<end>", "tokenizer_class": "T5TokenizerFast"})"},
      {"spiece.model", model()}},
     3,
     "spiece.model"},
    {"SentencePiece of a class that shifts ids",
     {{"tokenizer_config.json",
       R"({"eos_token": "</s>", "tokenizer_class": "XLMRobertaTokenizer"})"},
      {"sentencepiece.bpe.model", model()}},
     {},
     "no tokenizer file gives the id of the EOS token '</s>'"},
    {"Mistral's model alone", {{"tokenizer.model.v3", model("<end>")}}, 3, "tokenizer.model.v3"},
    {"a model alone says nothing",
     {{"tokenizer.model", model()}},
     {},
     "the tokenizer's files name no EOS token"},
    {"tiktoken ranks",
     {{"tokenizer_config.json", R"({"eos_token": "<e>", "tokenizer_class": "LlamaTokenizer"})"},
      {"tokenizer.model", "IQ== 0\nIg== 1\n"}},
     {},
     "no tokenizer file gives the id of the EOS token '<e>'"},
    {"tekken",
     {{"tekken.json",
       R"({"special_tokens": [{"rank": 0, "token_str": "<unk>"}, {"rank": 4, "token_str": "</s>"}]})"}},
     4,
     "tekken.json"},
    {"tekken without the list",
     {{"tekken.json", R"({"vocab": [], "special_tokens": null})"}},
     2,
     "tekken.json"},
    {"no EOS",
     {{"tokenizer_config.json", R"({"eos_token": null})"},
      {"tokenizer.json", R"({"model": {"vocab": {"</s>": 2}}})"}},
     {},
     "the tokenizer's files name no EOS token"},
    {"no tokenizer", {{"config.json", "{}"}}, {}, "the tokenizer's files name no EOS token"},
    {"damaged tokenizer.json",
     {{"tokenizer_config.json", R"({"eos_token": "<e>"})"}, {"tokenizer.json", "{\"model\": "}},
     {},
     "tokenizer.json is not valid JSON at byte 10; the checkpoint is damaged: save it again"},
    {"ids that are no integers",
     {{"tokenizer_config.json", R"({"eos_token": "<e>"})"},
      {"tokenizer.json", R"({"added_tokens": [1, {"content": "<e>", "id": "3"}], "model": 5})"}},
     {},
     "no tokenizer file gives the id of the EOS token '<e>'"},
};

TEST(TokenizerEos, FromFiles) {
  for (const Row& row : kRows) {
    const auto eos = find_tokenizer_eos(snapshot_of(row.files));
    ASSERT_TRUE(eos.ok()) << row.name;
    EXPECT_EQ(eos->id, row.id) << row.name;
    EXPECT_EQ(row.id ? eos->source : eos->reason, row.source_or_reason) << row.name;
    EXPECT_TRUE(eos->conflicts.empty()) << row.name;
  }
}

TEST(TokenizerEos, NamesFilesThatContradictEachOther) {
  const auto eos = find_tokenizer_eos(snapshot_of(
      {{"tokenizer_config.json", R"({"eos_token": "<e>"})"},
       {"tokenizer.json",
        R"({"added_tokens": [{"id": 9, "content": "<e>"}], "model": {"vocab": {"<e>": 3}}})"}}));
  ASSERT_TRUE(eos.ok());
  EXPECT_EQ(eos->id, 3);
  ASSERT_EQ(eos->conflicts.size(), 1u);
  EXPECT_EQ(
      eos->conflicts[0],
      "the EOS token '<e>' is 3 in tokenizer.json but 9 in tokenizer.json's added_tokens; the "
      "first is used");
}

TEST(SentencePiece, GarbageIsNoModel) {
  const std::string whole = model("<end>");
  ASSERT_TRUE(read_sentencepiece(whole, "</s>"));
  EXPECT_FALSE(read_sentencepiece(whole, "absent")->index);
  EXPECT_EQ(read_sentencepiece(whole, "")->index, 3);
  for (const std::string& bytes :
       {std::string(), std::string("\n\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 11),
        std::string(64, '\xFF'), std::string(64, '\0'), std::string("\n\x7Fshort"),
        std::string("\x0F\x01")}) {
    EXPECT_FALSE(read_sentencepiece(bytes, "</s>"));
  }
  // Cut anywhere, it is either refused or shorter; it never reads past its end (sanitizers look).
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);
    const auto read = read_sentencepiece(std::string_view(cut), "</s>");
    EXPECT_EQ(read ? read->index.value_or(2) : 2, 2) << size;
  }
}

}  // namespace
}  // namespace hubrev
