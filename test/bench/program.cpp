#include "bench/program.hpp"

#include <sys/wait.h>

#include <cctype>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "support/scratch_directory.hpp"

namespace nori::test {

namespace {

std::string quoted(const std::string& word) {
  std::string out = "'";
  for (const char each : word) {
    if (each == '\'') {
      out += "'\\''";
    } else {
      out += each;
    }
  }
  return out + "'";
}

// The name of the element that begins at `tag`, which is what stands between < and >.
std::string name_of(std::string_view tag) {
  std::size_t end = 0;
  while (end < tag.size() && (std::isalnum(static_cast<unsigned char>(tag[end])) != 0)) ++end;
  return std::string(tag.substr(0, end));
}

bool attributes_are_quoted(std::string_view tag) {
  bool inside = false;
  for (std::size_t i = 0; i < tag.size(); ++i) {
    if (tag[i] == '"') inside = !inside;
    if (!inside && tag[i] == '=' && (i + 1 == tag.size() || tag[i + 1] != '"')) return false;
  }
  return !inside;
}

}  // namespace

std::string text_of_file(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

program_run run_bench(const std::vector<std::string>& arguments, const std::string& program) {
  const scratch_directory scratch;
  const std::string out = scratch.path() / "out";
  const std::string err = scratch.path() / "err";
  std::string command = quoted(program);
  for (const std::string& each : arguments) command += " " + quoted(each);
  command += " >" + quoted(out) + " 2>" + quoted(err) + " </dev/null";
  const int status = std::system(command.c_str());
  program_run made;
  made.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  made.out = text_of_file(out);
  made.err = text_of_file(err);
  return made;
}

std::string why_malformed(std::string_view page) {
  constexpr std::string_view type = "<!DOCTYPE html>";
  if (!page.starts_with(type)) return "it does not say that it is HTML";
  page.remove_prefix(type.size());
  std::vector<std::string> open;
  bool had_root = false;
  while (!page.empty()) {
    if (page.front() == '&') {
      const std::size_t end = page.find(';');
      if (end == std::string_view::npos || end > 8) return "a bare &";
      page.remove_prefix(end + 1);
      continue;
    }
    if (page.front() != '<') {
      page.remove_prefix(1);
      continue;
    }
    const std::size_t end = page.find('>');
    if (end == std::string_view::npos) return "a bare <";
    std::string_view tag = page.substr(1, end - 1);
    page.remove_prefix(end + 1);
    if (tag.starts_with('/')) {
      const std::string name = name_of(tag.substr(1));
      if (open.empty() || open.back() != name) return "</" + name + "> closes nothing";
      open.pop_back();
      continue;
    }
    const std::string name = name_of(tag);
    if (name.empty()) return "a bare <";
    if (!attributes_are_quoted(tag)) return "<" + name + ">: an attribute without quotes";
    if (open.empty() && had_root) return "<" + name + "> behind the end";
    had_root = true;
    if (!tag.ends_with('/')) open.push_back(name);
  }
  if (!open.empty()) return "<" + open.back() + "> is not closed";
  return had_root ? "" : "it is empty";
}

}  // namespace nori::test
