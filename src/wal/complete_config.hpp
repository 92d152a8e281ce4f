#ifndef NORI_WAL_COMPLETE_CONFIG_HPP
#define NORI_WAL_COMPLETE_CONFIG_HPP

#include <nori/config.hpp>

namespace nori {

/// Refuses bad values and fills in what is left to us.
/// @throws errc::invalid_config, naming the value and what is allowed.
void complete_config(config& options);

}  // namespace nori

#endif
