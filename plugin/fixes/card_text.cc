#include "plugin/fixes/card_text.h"

#include <algorithm>

namespace hubrev {
namespace {

struct Marks {
  std::string_view begin;
  std::string_view end;
};

constexpr Marks marks_of(CardSection section) {
  switch (section) {
    case CardSection::kRevision:
      return {"<!-- hub-revisions: begin -->", "<!-- hub-revisions: end -->"};
    case CardSection::kChoice:
      break;
  }
  return {"<!-- hub-revisions choice: begin -->", "<!-- hub-revisions choice: end -->"};
}

// One line and what follows it.
struct Line {
  std::string_view text;  // without its end
  std::size_t next;       // where the following line starts
};

Line line_at(std::string_view text, std::size_t at) {
  const std::size_t end = std::min(text.find('\n', at), text.size());
  std::string_view line = text.substr(at, end - at);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return {line, std::min(end + 1, text.size())};
}

bool is_fence(std::string_view line) {
  if (!line.starts_with("---")) return false;
  return line.find_first_not_of(" \t", 3) == std::string_view::npos;
}

std::string with_line_ends(std::string_view text, const std::string& line_end) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += line_end;
    } else {
      out += c;
    }
  }
  return out;
}

struct Span {
  std::size_t begin;
  std::size_t end;
};

// Our section, markers included. A begin without an end, or the reverse, is somebody's text.
std::optional<Span> find_section(std::string_view body, const Marks& marks) {
  std::size_t end = body.find(marks.end);
  while (end != std::string_view::npos) {
    const std::size_t begin = body.rfind(marks.begin, end);
    if (begin != std::string_view::npos) return Span{begin, end + marks.end.size()};
    end = body.find(marks.end, end + 1);
  }
  return std::nullopt;
}

}  // namespace

CardText split_card(std::string_view card) {
  CardText parts;
  if (card.starts_with("\xEF\xBB\xBF")) card.remove_prefix(3);
  if (const std::size_t first = card.find('\n'); first != std::string_view::npos && first > 0) {
    if (card[first - 1] == '\r') parts.line_end = "\r\n";
  }
  const std::size_t start = card.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return parts;
  const Line opening = line_at(card, start);
  if (is_fence(opening.text)) {
    for (std::size_t at = opening.next; at < card.size();) {
      const Line line = line_at(card, at);
      if (is_fence(line.text)) {
        parts.front_matter = std::string(card.substr(opening.next, at - opening.next));
        parts.body = std::string(card.substr(line.next));
        return parts;
      }
      at = line.next;
    }
  }
  parts.body = std::string(card);
  return parts;
}

std::string join_card(const CardText& card, std::string_view front_matter) {
  const std::string head = "---\n" + std::string(front_matter) + "---\n";
  return with_line_ends(head, card.line_end) + card.body;
}

std::string put_section(const CardText& card, CardSection section, std::string_view text) {
  const Marks marks = marks_of(section);
  const std::string marked = with_line_ends(
      std::string(marks.begin) + "\n" + std::string(text) + std::string(marks.end), card.line_end);
  std::string body = card.body;
  if (const auto span = find_section(body, marks)) {
    return body.replace(span->begin, span->end - span->begin, marked);
  }
  if (!body.empty() && !body.ends_with('\n')) body += card.line_end;
  return body + card.line_end + marked + card.line_end;
}

bool has_section(const CardText& card, CardSection section) {
  return find_section(card.body, marks_of(section)).has_value();
}

bool is_unfilled_template(std::string_view body) {
  return body.find("[More Information Needed]") != std::string_view::npos;
}

}  // namespace hubrev
