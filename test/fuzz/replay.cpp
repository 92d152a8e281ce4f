// Runs files, and all files of folders, through a fuzzer: its corpus, or what it found.

#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "fuzz/fuzz.hpp"
#include "support/files.hpp"

// Only a mutator calls it, and nothing is mutated here.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t*, std::size_t size, std::size_t) {
  return size;
}

namespace {

void replay(const std::filesystem::path& file) {
  const std::string bytes = nori::test::bytes_of_file(file);
  // A copy of its own size, so that a sanitizer sees where it ends.
  const std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

}  // namespace

int main(int argc, char* argv[]) {
  std::size_t files = 0;
  for (int i = 1; i < argc; ++i) {
    const std::filesystem::path given = argv[i];
    if (!std::filesystem::is_directory(given)) {
      replay(given);
      ++files;
      continue;
    }
    for (const auto& each : std::filesystem::directory_iterator(given)) {
      replay(each.path());
      ++files;
    }
  }
  std::cout << files << " inputs\n";
  return files == 0 ? 1 : 0;
}
