#pragma once
// The part of a card that speaks about this revision alone.

#include <string>

#include "plugin/fixes/fix.h"
#include "plugin/fixes/model_facts.h"

namespace hubrev {

// Markdown, lines ending in "\n": a table of step, epoch, tokens and metrics, and Python that
// loads exactly this revision. Deterministic.
std::string revision_section(const FixContext& context, const ModelFacts& facts);

}  // namespace hubrev
