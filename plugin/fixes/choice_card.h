#pragma once
// The card of a promoted revision: its own, with what evaluations found and why it was chosen.

#include <string>
#include <utility>
#include <vector>

#include "plugin/base/result.h"

namespace hubrev {

// What one evaluation found.
struct Scores {
  std::string dataset;                                  // the task's or suite's name
  std::string url;                                      // where the result is stored
  std::vector<std::pair<std::string, double>> metrics;  // name, finite value
};

struct Choice {
  std::string revision;
  std::vector<Scores> scores;
  // The section's table: a name and what to say about it.
  std::vector<std::pair<std::string, std::string>> rows;
  std::string chart;  // path of an image in the repository; "" for none
};

// `card` (a whole README.md) with the scores in its `model-index`, in place of earlier ones of the
// same kind, and a section on the choice. Deterministic. kInvalidInput when the card cannot be
// completed, or the Hub would refuse the outcome.
Result<std::string> put_choice(const std::string& card, const Choice& choice);

}  // namespace hubrev
