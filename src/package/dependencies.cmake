# What the library needs: read by its own build and by find_package(nori), since whoever links a
# static library links the same things. The targets are global so that a project that includes
# nori by add_subdirectory sees them too.

if(POLICY CMP0167)
  cmake_policy(SET CMP0167 NEW)
endif()

set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
unset(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL)

pkg_check_modules(nori_uring REQUIRED QUIET IMPORTED_TARGET GLOBAL liburing>=2.3)
pkg_check_modules(nori_lz4 REQUIRED QUIET IMPORTED_TARGET GLOBAL liblz4)
pkg_check_modules(nori_zstd REQUIRED QUIET IMPORTED_TARGET GLOBAL libzstd)
