// A SentencePiece model. The first line is the piece that is looked up, the rest the file.

#include <algorithm>

#include "plugin/fixes/sentencepiece.h"
#include "tests/fuzz/fuzz.h"

namespace hubrev::fuzz {

HUBREV_FUZZ(input) {
  const std::size_t line = std::min(input.find('\n'), input.size());
  const std::string_view piece = input.substr(0, line);
  const std::string_view bytes = input.substr(std::min(line + 1, input.size()));
  const auto model = read_sentencepiece(bytes, piece);
  if (!model) return;
  HUBREV_REQUIRE(bytes.size() >= 2, "a model without a piece");
  HUBREV_REQUIRE(model->eos_piece == "</s>" || bytes.find(model->eos_piece) != bytes.npos,
                 model->eos_piece);
  if (!model->index) return;
  // Each piece takes two bytes at least.
  HUBREV_REQUIRE(*model->index >= 0, std::to_string(*model->index));
  HUBREV_REQUIRE(static_cast<std::size_t>(*model->index) < bytes.size() / 2,
                 std::to_string(*model->index));
  const std::string_view wanted = piece.empty() ? std::string_view(model->eos_piece) : piece;
  HUBREV_REQUIRE(bytes.find(wanted) != bytes.npos, std::string(wanted));
}

}  // namespace hubrev::fuzz
