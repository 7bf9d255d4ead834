#include "bindings/src/errors.h"

#include <string>

namespace py = pybind11;

namespace hubrev::python {
namespace {

// Owned by the module; the handles live as long as the interpreter.
PyObject* base_error = nullptr;
PyObject* config_error = nullptr;
PyObject* auth_error = nullptr;
PyObject* checkpoint_error = nullptr;

PyObject* define(py::module_& module, const char* name, PyObject* base, const char* doc) {
  const std::string qualified = "hub_revisions._core." + std::string(name);
  PyObject* type = PyErr_NewExceptionWithDoc(qualified.c_str(), doc, base, nullptr);
  if (type == nullptr) throw py::error_already_set();
  module.add_object(name, py::reinterpret_borrow<py::object>(type));
  return type;
}

PyObject* class_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kConfig:
      return config_error;
    case ErrorKind::kAuth:
      return auth_error;
    case ErrorKind::kInvalidInput:
    case ErrorKind::kCorrupt:
      return checkpoint_error;
    default:
      return base_error;
  }
}

}  // namespace

void define_errors(py::module_& module) {
  base_error = define(module, "HubRevisionError", PyExc_Exception,
                      "Base of every error that the worker raises; see .kind and .retryable.");
  config_error = define(module, "ConfigError", base_error, "A setting is wrong.");
  auth_error = define(module, "AuthError", base_error, "The token is missing, wrong, or may not.");
  checkpoint_error = define(module, "InvalidCheckpointError", base_error,
                            "The checkpoint cannot be published as it is.");
}

void raise(const Error& error) {
  const py::object type = py::reinterpret_borrow<py::object>(class_of(error.kind));
  // A server's words may not be UTF-8; they are shown as well as possible.
  const py::str message = py::reinterpret_steal<py::str>(PyUnicode_DecodeUTF8(
      error.message.data(), static_cast<py::ssize_t>(error.message.size()), "replace"));
  py::object exception = type(message);
  exception.attr("kind") = py::str(std::string(to_string(error.kind)));
  exception.attr("retryable") = retryable(error.kind);
  PyErr_SetObject(type.ptr(), exception.ptr());
  throw py::error_already_set();
}

}  // namespace hubrev::python
