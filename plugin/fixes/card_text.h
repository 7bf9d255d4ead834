#pragma once
// A README.md as text: front matter, body, and the sections of ours in the body.
// Source: hub-docs "Model cards" and huggingface_hub's REGEX_YAML_BLOCK.

#include <optional>
#include <string>
#include <string_view>

namespace hubrev {

struct CardText {
  std::optional<std::string> front_matter;  // between the "---" lines; nullopt where there is none
  std::string body;
  std::string line_end = "\n";  // or "\r\n", as the card's first line ends
};

// Drops a byte order mark, which would hide the front matter from huggingface_hub.
CardText split_card(std::string_view card);
// The inverse; `front_matter` ends in a line feed. Its line ends become the card's.
std::string join_card(const CardText& card, std::string_view front_matter);

// The parts of a body that are ours, each between two comments.
enum class CardSection {
  kRevision,  // about this revision
  kChoice,    // on a promoted one: why it was chosen
};

// The body with our section (lines with "\n") in place of the one it has, or at its end.
std::string put_section(const CardText& card, CardSection section, std::string_view text);

bool has_section(const CardText& card, CardSection section);

// Whether this is the card that PEFT writes into a checkpoint: a template nobody filled in.
bool is_unfilled_template(std::string_view body);

}  // namespace hubrev
