#include "plugin/fixes/revision_section.h"

#include <cmath>
#include <string_view>

#include "plugin/fixes/text.h"

namespace hubrev {
namespace {

constexpr std::string_view kDefaultEndpoint = "https://huggingface.co";

// A Python string literal.
std::string python_string(std::string_view raw) {
  std::string out = "\"";
  for (const char c : printable(raw)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' || c == '\t' ? ' ' : c;
  }
  return out + '"';
}

std::string table(const FixContext& context) {
  std::string rows;
  const auto row = [&](std::string_view name, const std::string& value) {
    rows += "| " + table_cell(name) + " | " + value + " |\n";
  };
  if (context.step) row("step", std::to_string(*context.step));
  if (context.epoch && std::isfinite(*context.epoch)) row("epoch", float_text(*context.epoch));
  if (context.tokens) row("input tokens seen", std::to_string(*context.tokens));
  for (const auto& [name, value] : context.metrics) {
    if (std::isfinite(value)) row(name, float_text(value));
  }
  return rows.empty() ? rows : "| | |\n|---|---|\n" + rows + "\n";
}

// A word of a shell's command line.
std::string shell_word(std::string_view raw) {
  std::string out = "'";
  for (const char c : printable(raw)) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c == '\n' || c == '\t' ? ' ' : c;
    }
  }
  return out + "'";
}

// Where the files come by git alone.
std::string clone_snippet(const FixContext& context) {
  return "With [git-lfs](https://git-lfs.com) installed:\n\n```bash\ngit clone --branch " +
         shell_word(context.revision) + " " + shell_word(context.clone_url) + " model\n```\n\n";
}

std::string snippet(const FixContext& context, const ModelFacts& facts) {
  std::string code;
  if (context.clone_url.empty() && !context.endpoint.empty() &&
      context.endpoint != kDefaultEndpoint) {
    code += "# Set HF_ENDPOINT=" + printable(context.endpoint) + " in the environment first.\n";
  }
  const std::string companion = facts.companion == Companion::kProcessor   ? "AutoProcessor"
                                : facts.companion == Companion::kTokenizer ? "AutoTokenizer"
                                                                           : "";
  if (facts.adapter) {
    code += "from peft import " + facts.auto_class + "\n";
    if (!companion.empty()) code += "from transformers import " + companion + "\n";
  } else {
    code += "from transformers import " + facts.auto_class +
            (companion.empty() ? "" : ", " + companion) + "\n";
  }
  const std::string from = context.clone_url.empty()
                               ? ".from_pretrained(" + python_string(context.repo_id) +
                                     ", revision=" + python_string(context.revision) + ")\n"
                               : ".from_pretrained(\"model\")\n";
  code += "\nmodel = " + facts.auto_class + from;
  if (!companion.empty()) {
    const bool processor = facts.companion == Companion::kProcessor;
    code += (processor ? "processor = " : "tokenizer = ") + companion + from;
  }
  const std::string clone = context.clone_url.empty() ? "" : clone_snippet(context);
  return clone + "```python\n" + code + "```\n";
}

std::string system_prompt(const FixContext& context) {
  if (context.system_prompt.empty()) return "";
  std::string fence = "```";
  while (context.system_prompt.find(fence) != std::string::npos) fence += '`';
  return "\nIt was trained with this system prompt:\n\n" + fence + "text\n" +
         printable(context.system_prompt) + "\n" + fence + "\n";
}

}  // namespace

std::string revision_section(const FixContext& context, const ModelFacts& facts) {
  return "## This revision\n\n" + table(context) + snippet(context, facts) + system_prompt(context);
}

}  // namespace hubrev
