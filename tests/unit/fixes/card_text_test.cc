#include "plugin/fixes/card_text.h"

#include <gtest/gtest.h>

namespace hubrev {
namespace {

TEST(CardText, SplitsFrontMatterFromBody) {
  struct Row {
    std::string card;
    std::optional<std::string> front_matter;
    std::string body;
  };
  const Row rows[] = {
      {"---\na: b\n---\n# T\n", "a: b\n", "# T\n"},
      {"---\r\na: b\r\n---\r\n# T\r\n", "a: b\r\n", "# T\r\n"},
      {"\xEF\xBB\xBF---\na: b\n---\nx", "a: b\n", "x"},
      {"\n\n---\na: b\n--- \t\nx", "a: b\n", "x"},
      {"---\n---\n", "", ""},
      {"---\na: b\n---", "a: b\n", ""},
      {"---\na: b\n", std::nullopt, "---\na: b\n"},
      {"# T\n---\na\n---\n", std::nullopt, "# T\n---\na\n---\n"},
      {"----\na\n----\n", std::nullopt, "----\na\n----\n"},
      {"", std::nullopt, ""},
      {"\n \n", std::nullopt, ""},
  };
  for (const Row& row : rows) {
    const CardText card = split_card(row.card);
    EXPECT_EQ(card.front_matter, row.front_matter) << row.card;
    EXPECT_EQ(card.body, row.body) << row.card;
  }
}

TEST(CardText, PutsTheSectionOnceAndKeepsTheRest) {
  const std::string begin = "<!-- hub-revisions: begin -->";
  const std::string end = "<!-- hub-revisions: end -->";
  struct Row {
    std::string before;
    std::string after;
  };
  const Row rows[] = {
      {"", "\n" + begin + "\nnew\n" + end + "\n"},
      {"text", "text\n\n" + begin + "\nnew\n" + end + "\n"},
      {"text\n", "text\n\n" + begin + "\nnew\n" + end + "\n"},
      {"a\n" + begin + "\nold\n" + end + "\nb\n", "a\n" + begin + "\nnew\n" + end + "\nb\n"},
      {begin + "\na\n", begin + "\na\n\n" + begin + "\nnew\n" + end + "\n"},
      {end + "\na\n", end + "\na\n\n" + begin + "\nnew\n" + end + "\n"},
  };
  for (const Row& row : rows) {
    CardText card{std::nullopt, row.before, "\n"};
    card.body = put_section(card, CardSection::kRevision, "new\n");
    EXPECT_EQ(card.body, row.after);
    EXPECT_EQ(put_section(card, CardSection::kRevision, "new\n"), row.after) << "a second time";
  }
}

TEST(CardText, FollowsTheCardsLineEnds) {
  CardText card = split_card("---\r\na: b\r\n---\r\nbody\r\n");
  card.body = put_section(card, CardSection::kRevision, "s\n");
  EXPECT_EQ(join_card(card, "a: b\n"),
            "---\r\na: b\r\n---\r\nbody\r\n\r\n<!-- hub-revisions: begin -->\r\ns\r\n<!-- "
            "hub-revisions: end -->\r\n");
}

}  // namespace
}  // namespace hubrev
