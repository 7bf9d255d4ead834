#pragma once

#include <string>

namespace hubrev {

// "1.5.1", of the libgit2 in this process.
std::string libgit2_version();

}  // namespace hubrev
