#ifndef NORI_TEST_SUITES_ON_DISK_ENVIRONMENTS_HPP
#define NORI_TEST_SUITES_ON_DISK_ENVIRONMENTS_HPP

#include <string>
#include <vector>

namespace nori::suites {

/// Executes a command for which a system call always fails: NAME ERROR COMMAND...; both are
/// numbers. Returns only where that is not possible.
int refusing(const std::vector<std::string>& arguments);

/// Opens the log in DIR, forks, and opens it in the child, too: it must be locked, as long as the
/// parent lives and afterwards not.
int fork_while_open(const std::vector<std::string>& arguments);

}  // namespace nori::suites

#endif
