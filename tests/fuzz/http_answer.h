#pragma once
// An HTTP answer in an input: the status, header lines "name: value", an empty line, the body.

#include <algorithm>
#include <charconv>

#include "plugin/net/http.h"
#include "tests/fuzz/fuzz.h"

namespace hubrev::fuzz {

inline HttpResponse http_answer_of(std::string_view input) {
  HttpResponse response;
  const auto take_line = [&] {
    const std::size_t end = std::min(input.find('\n'), input.size());
    const std::string_view line = input.substr(0, end);
    input.remove_prefix(std::min(end + 1, input.size()));
    return line;
  };
  const std::string_view status = take_line();
  std::from_chars(status.data(), status.data() + status.size(), response.status);
  // As curl hands them over: three digits, and no header with a line feed in it.
  response.status = std::clamp(response.status, 100, 999);
  for (std::string_view line = take_line(); !line.empty(); line = take_line()) {
    const std::size_t colon = std::min(line.find(": "), line.size());
    response.headers.emplace_back(line.substr(0, colon),
                                  line.substr(std::min(colon + 2, line.size())));
  }
  response.body = std::string(input);
  return response;
}

}  // namespace hubrev::fuzz
