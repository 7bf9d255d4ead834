#pragma once

#include <pybind11/pybind11.h>

#include <utility>

#include "plugin/base/result.h"

namespace hubrev::python {

// Defines HubRevisionError and its subclasses in the module.
void define_errors(pybind11::module_& module);

// Sets the Python exception that the error stands for and throws pybind11::error_already_set. The
// one place where an error becomes an exception. Needs the GIL.
[[noreturn]] void raise(const Error& error);

// The value, or raise().
template <typename T>
T unwrap(Result<T> result) {
  if (!result.ok()) raise(result.error());
  return std::move(result).value();
}
inline void unwrap(const Status& status) {
  if (!status.ok()) raise(status.error());
}

}  // namespace hubrev::python
