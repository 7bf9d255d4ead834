#pragma once

#include <string>
#include <utility>

#include "bindings/src/errors.h"
#include "bindings/src/interruptible.h"
#include "bindings/src/json_text.h"
#include "plugin/pipeline/connection.h"
#include "plugin/worker/transport.h"

namespace hubrev::python {

// Runs `work(connection, settings, stop)` without the GIL.
template <typename T, typename Work>
T connected(const std::string& settings_text, const std::string& token, Work&& work) {
  const Settings settings = settings_from(settings_text);
  return unwrap(interruptible<T>([&](const std::stop_token& stop) {
    const auto http = make_http(settings, nullptr);
    Connection connection(*http, make_retry(settings, nullptr), Secret(token));
    return work(connection, settings, stop);
  }));
}

}  // namespace hubrev::python
