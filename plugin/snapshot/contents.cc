#include "plugin/snapshot/contents.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <string>

namespace hubrev {
namespace {

// Rules are globs in which '*' stands for anything but '/', and a rule that ends in '/' for a
// folder with all that is below it.

// At any depth, in every revision.
constexpr std::array<std::string_view, 3> kNeverNamed = {
    ".git/",              // another repository's history; git refuses the name
    ".git",               // the same for a submodule, where it is a file
    "training_args.bin",  // a pickle of TrainingArguments, whose hub_token is a plain field
};

// At the checkpoint's top, in every revision.
constexpr std::array<std::string_view, 4> kNeverAtTop = {
    ".cache/huggingface/",  // left by downloads and by upload_large_folder
    "checkpoint-*/",  // an output folder is published: its checkpoints have revisions of their own
    "_hub_revisions/",  // the same case: our spool's usual place
    ".tmp??????",       // safetensors writes here and renames; what is left is of a killed save
};

// At the checkpoint's top, unless the resume state is wanted. The names are those of transformers,
// accelerate, DeepSpeed and torch's FSDP. trainer_state.json is published in any case: it is small,
// holds no token, and its log_history is the record of the metrics so far.
constexpr std::array<std::string_view, 21> kResumeState = {
    "optimizer.pt",
    "optimizer.bin",
    "optimizer_*.bin",  // accelerate's second and later objects of a kind
    "optimizer_*/",
    "scheduler.pt",
    "scheduler.bin",
    "scheduler_*.bin",
    "scaler.pt",
    "sampler.bin",
    "sampler_*.bin",
    "dl_state_dict*.bin",
    "rng_state*.pth",
    "random_states_*.pkl",
    "global_step*/",
    "latest",
    "zero_to_fp32.py",
    "pytorch_model_fsdp*.bin",  // duplicates model.safetensors, or is one rank's part of it
    "pytorch_model_fsdp_*/",
    "custom_checkpoint_*.pkl",  // a pickle of any registered object
    "merged/",                  // TRL's MergeModelCallback: a model of its own
    "runs/",                    // TensorBoard logs
};

template <std::size_t kCount>
constexpr bool begin_literally(const std::array<std::string_view, kCount>& rules) {
  return std::none_of(rules.begin(), rules.end(), [](std::string_view rule) {
    return rule.empty() || rule.front() == '*' || rule.front() == '?';
  });
}
static_assert(begin_literally(kNeverNamed) && begin_literally(kNeverAtTop) &&
              begin_literally(kResumeState));

bool matches_char(char rule, char c) {
  return rule == c || (rule == '?' && c != '/');
}

// Whether all of `text` matches `glob`. At most one '*' per rule keeps this a single pass.
bool matches_all(std::string_view glob, std::string_view text) {
  const auto equal = [](std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), matches_char);
  };
  const std::size_t star = glob.find('*');
  if (star == std::string_view::npos) return equal(glob, text);
  const std::string_view head = glob.substr(0, star);
  const std::string_view tail = glob.substr(star + 1);
  if (text.size() < head.size() + tail.size()) return false;
  const std::string_view middle = text.substr(head.size(), text.size() - head.size() - tail.size());
  return middle.find('/') == std::string_view::npos && equal(head, text.substr(0, head.size())) &&
         equal(tail, text.substr(text.size() - tail.size()));
}

bool matches(std::string_view rule, std::string_view path) {
  // Where nearly all questions of the training thread end.
  if (path.empty() || path.front() != rule.front()) return false;
  if (!rule.ends_with('/')) return matches_all(rule, path);
  const auto depth = std::count(rule.begin(), rule.end(), '/');
  std::size_t end = 0;  // behind the slash that ends as many parts as the rule has
  for (auto i = depth; i > 0; --i) {
    const std::size_t slash = path.find('/', end);
    if (slash == std::string_view::npos) return false;
    end = slash + 1;
  }
  return matches_all(rule, path.substr(0, end));
}

template <std::size_t kCount>
bool any_matches(const std::array<std::string_view, kCount>& rules, std::string_view path) {
  return std::any_of(rules.begin(), rules.end(),
                     [&](std::string_view rule) { return matches(rule, path); });
}

// A pattern of huggingface_hub's in POSIX's words, whose brackets know classes and '^'. To the
// former a backslash is a slash, in names, too.
std::string posix_pattern(std::string_view pattern) {
  std::string out;
  const auto append = [&](char c, bool escaped) {
    if (escaped) out += '\\';
    out += c == '\\' ? '/' : c;
  };
  while (!pattern.empty()) {
    const char c = pattern.front();
    pattern.remove_prefix(1);
    if (c != '[') {
      append(c, false);
      continue;
    }
    const std::size_t negation = pattern.starts_with('!') ? 1 : 0;
    const std::size_t end = pattern.find(']', negation + 1);  // one that comes first is a member
    if (end == std::string_view::npos) {
      append(c, true);
      continue;
    }
    out += c;
    if (negation > 0) out += '!';
    for (const char member : pattern.substr(negation, end - negation)) {
      append(member, member == '[' || member == '^');
    }
    out += ']';
    pattern.remove_prefix(end + 1);
  }
  return out;
}

// A folder is left out as a whole only where that is sure of all that could be below it.
bool is_ignored(std::string_view path, std::string_view pattern) {
  std::string posix = posix_pattern(pattern);
  if (posix.ends_with('/')) posix += '*';
  if (path.ends_with('/') && !posix.ends_with('*')) return false;
  std::string name(path);
  std::replace(name.begin(), name.end(), '\\', '/');
  return ::fnmatch(posix.c_str(), name.c_str(), 0) == 0;
}

}  // namespace

bool is_excluded(std::string_view path, const Selection& selection) {
  if (any_matches(kNeverAtTop, path)) return true;
  if (selection.contents == Contents::kInference && any_matches(kResumeState, path)) return true;
  for (const std::string& pattern : selection.ignore_patterns) {
    if (is_ignored(path, pattern)) return true;
  }
  for (std::string_view rest = path;;) {
    if (any_matches(kNeverNamed, rest)) return true;
    const std::size_t slash = rest.find('/');
    if (slash == std::string_view::npos) return false;
    rest.remove_prefix(slash + 1);
  }
}

}  // namespace hubrev
