#pragma once
// What the fuzz targets share. A target is a function of one input, defined by HUBREV_FUZZ; what
// must hold for every input is a HUBREV_REQUIRE, which ends the process when it does not.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugin/base/error.h"
#include "plugin/base/utf8.h"
#include "plugin/types/snapshot.h"

namespace hubrev::fuzz {

[[noreturn]] inline void fail(const char* condition, const std::string& details, const char* file,
                              int line) {
  std::fprintf(stderr, "%s:%d: does not hold: %s\n%s\n", file, line, condition, details.c_str());
  std::abort();
}

// `details` is shown when the condition does not hold.
#define HUBREV_REQUIRE(condition, details) \
  ((condition) ? void() : ::hubrev::fuzz::fail(#condition, details, __FILE__, __LINE__))

// Defines the target: HUBREV_FUZZ(input) { ... }, `input` a std::string_view.
#define HUBREV_FUZZ(input)                                                             \
  static void fuzz_one(std::string_view input);                                        \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) { \
    fuzz_one({reinterpret_cast<const char*>(bytes), size});                            \
    return 0;                                                                          \
  }                                                                                    \
  static void fuzz_one(std::string_view input)

using Sections = std::vector<std::pair<std::string, std::string>>;

// An input that stands for several files: "=== <name>\n<bytes>", the next one after a line feed
// that belongs to none of them.
inline Sections sections_of(std::string_view input) {
  constexpr std::string_view kBegin = "=== ";
  constexpr std::string_view kNext = "\n=== ";
  Sections sections;
  while (input.starts_with(kBegin)) {
    input.remove_prefix(kBegin.size());
    const std::size_t end = input.find(kNext);
    const std::string_view section = input.substr(0, end);
    const std::size_t line = section.find('\n');
    sections.emplace_back(section.substr(0, line), line == std::string_view::npos
                                                       ? std::string_view()
                                                       : section.substr(line + 1));
    if (end == std::string_view::npos) break;
    input.remove_prefix(end + 1);
  }
  return sections;
}

// The bytes of the section of that name; "" when there is none.
inline std::string section(const Sections& sections, std::string_view name) {
  for (const auto& [key, bytes] : sections) {
    if (key == name) return bytes;
  }
  return "";
}

inline std::string bytes_of(const Entry& entry) {
  const auto bytes = entry.source.read_all(std::uint64_t{1} << 24);
  HUBREV_REQUIRE(bytes.ok(), entry.path);
  return *bytes;
}

// A checkpoint of these files. Of a name only what freezing lets pass: it refuses a path that could
// not be shown.
inline Snapshot snapshot_of(const Sections& sections) {
  Snapshot snapshot;
  for (const auto& [name, bytes] : sections) {
    if (!name.empty() && shown_text(name) == name) {
      put_entry(snapshot, {name, Source::from_bytes(bytes)});
    }
  }
  return snapshot;
}

// What every message promises, whatever it quotes: well-formed UTF-8 of a length that a terminal, a
// log and a record can hold, without control characters other than line feeds.
inline void require_shown(std::string_view message) {
  constexpr std::size_t kLongest = std::size_t{80} * 1024;
  HUBREV_REQUIRE(message.size() < kLongest, std::to_string(message.size()));
  for (std::string_view rest = message; !rest.empty();) {
    const auto point = take_code_point(rest);
    HUBREV_REQUIRE(point.has_value(), std::string(message));
    const bool control = *point < U' ' || (*point >= 0x7F && *point < 0xA0);
    HUBREV_REQUIRE(!control || *point == U'\n', std::string(message));
  }
}

inline void require_error(const Error& error, ErrorKind kind) {
  HUBREV_REQUIRE(error.kind == kind, error.message);
  require_shown(error.message);
}

}  // namespace hubrev::fuzz
