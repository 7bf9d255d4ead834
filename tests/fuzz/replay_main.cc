// Runs a fuzz target on the files of a folder, without libFuzzer.

#include <cstdio>
#include <filesystem>

#include "tests/fuzz/fuzz.h"
#include "tests/support/temp_dir.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", arguments[0]);
    return 2;
  }
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(arguments[1])) {
    std::fprintf(stderr, "%s\n", entry.path().c_str());
    const std::string input = hubrev::testing::TempDir::read(entry.path().string());
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
    ++files;
  }
  if (files == 0) std::fprintf(stderr, "%s holds no file\n", arguments[1]);
  return files == 0 ? 1 : 0;
}
