#include "plugin/spool/job_id.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <ctime>

namespace hubrev {
namespace {

constexpr std::string_view kShape = "ddddddddTdddddddddZ-xxxxxx";  // d: digit, x: lower-case hex

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool fits(char shape, char c) {
  if (shape == 'd') return is_digit(c);
  if (shape == 'x') return is_digit(c) || (c >= 'a' && c <= 'f');
  return shape == c;
}

// Precondition: digits only.
int number(std::string_view digits) {
  int value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

}  // namespace

std::string make_job_id(std::int64_t unix_ms, std::uint32_t random) {
  const std::time_t seconds = static_cast<std::time_t>(unix_ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 96> text{};
  const int length = std::snprintf(text.data(), text.size(), "%04d%02d%02dT%02d%02d%02d%03dZ-%06x",
                                   parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                                   parts.tm_hour, parts.tm_min, parts.tm_sec,
                                   static_cast<int>(unix_ms % 1000), random & 0xFFFFFFu);
  return {text.data(), static_cast<std::size_t>(length)};
}

bool is_job_id(std::string_view id) {
  return std::equal(kShape.begin(), kShape.end(), id.begin(), id.end(), fits);
}

std::optional<std::int64_t> job_id_time(std::string_view id) {
  if (!is_job_id(id)) return std::nullopt;
  std::tm parts{};
  parts.tm_year = number(id.substr(0, 4)) - 1900;
  parts.tm_mon = number(id.substr(4, 2)) - 1;
  parts.tm_mday = number(id.substr(6, 2));
  parts.tm_hour = number(id.substr(9, 2));
  parts.tm_min = number(id.substr(11, 2));
  parts.tm_sec = number(id.substr(13, 2));
  return std::int64_t{::timegm(&parts)} * 1000 + number(id.substr(15, 3));
}

}  // namespace hubrev
