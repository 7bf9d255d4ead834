#include "plugin/fixes/sentencepiece.h"

namespace hubrev {
namespace {

// Field numbers of ModelProto, its SentencePiece and its TrainerSpec.
constexpr std::uint64_t kPieces = 1;
constexpr std::uint64_t kPieceText = 1;
constexpr std::uint64_t kTrainerSpec = 2;
constexpr std::uint64_t kEosPiece = 47;

struct Field {
  std::uint64_t number = 0;
  std::string_view bytes;  // of a length-delimited field; empty for the other wire types
};

// Walks the fields of one message.
class FieldReader {
 public:
  explicit FieldReader(std::string_view message) : rest_(message) {}

  // The next field; nullopt at the end and where the bytes stop being protobuf.
  std::optional<Field> next() {
    if (rest_.empty()) return std::nullopt;
    const std::optional<std::uint64_t> tag = varint();
    if (!tag || (*tag >> 3) == 0) return broken();
    Field field{*tag >> 3, {}};
    std::optional<std::uint64_t> length;
    switch (*tag & 7) {
      case 0:
        if (!varint()) return broken();
        return field;
      case 1:
        length = 8;
        break;
      case 2:
        length = varint();
        break;
      case 5:
        length = 4;
        break;
      default:
        break;
    }
    if (!length || *length > rest_.size()) return broken();
    if ((*tag & 7) == 2) field.bytes = rest_.substr(0, *length);
    rest_.remove_prefix(*length);
    return field;
  }
  bool ok() const { return ok_; }

 private:
  std::optional<Field> broken() {
    ok_ = false;
    return std::nullopt;
  }
  std::optional<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<std::uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7Fu} << shift;
      if ((byte & 0x80) == 0) return value;
    }
    return std::nullopt;
  }

  std::string_view rest_;
  bool ok_ = true;
};

// The last length-delimited field `number` (protobuf: the last one wins); nullopt where the message
// is broken or has none.
std::optional<std::string_view> find_bytes(std::string_view message, std::uint64_t number) {
  std::optional<std::string_view> found;
  FieldReader reader(message);
  while (const std::optional<Field> field = reader.next()) {
    if (field->number == number) found = field->bytes;
  }
  return reader.ok() ? found : std::nullopt;
}

}  // namespace

std::optional<SentencePieceModel> read_sentencepiece(std::string_view bytes,
                                                     std::string_view piece) {
  SentencePieceModel model;
  if (const auto spec = find_bytes(bytes, kTrainerSpec)) {
    if (const auto eos = find_bytes(*spec, kEosPiece)) model.eos_piece = std::string(*eos);
  }
  if (piece.empty()) piece = model.eos_piece;
  FieldReader reader(bytes);
  std::int64_t index = 0;
  while (const std::optional<Field> field = reader.next()) {
    if (field->number != kPieces) continue;
    if (!model.index && find_bytes(field->bytes, kPieceText) == piece) model.index = index;
    ++index;
  }
  if (!reader.ok() || index == 0) return std::nullopt;
  return model;
}

}  // namespace hubrev
