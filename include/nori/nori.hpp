#ifndef NORI_NORI_HPP
#define NORI_NORI_HPP

// Everything that nori offers.

#include <nori/wal.hpp>

#endif
