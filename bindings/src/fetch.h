#pragma once

#include <pybind11/pybind11.h>

namespace hubrev::python {

void define_fetch(pybind11::module_& module);

}  // namespace hubrev::python
