#pragma once
// The two things this project asks of a SentencePiece model file.
// Format: protobuf message ModelProto of google/sentencepiece, src/sentencepiece_model.proto.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hubrev {

struct SentencePieceModel {
  std::optional<std::int64_t> index;  // of the piece asked for
  std::string eos_piece = "</s>";     // trainer_spec.eos_piece
};

// Looks `piece` up; an empty `piece` stands for the model's own EOS piece. nullopt when the bytes
// are no ModelProto. Reads within `bytes` only, in one pass per question, allocating nothing of its
// size.
std::optional<SentencePieceModel> read_sentencepiece(std::string_view bytes,
                                                     std::string_view piece);

}  // namespace hubrev
