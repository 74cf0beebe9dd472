# Compiled with clang; every warning is an error. With the fuzz targets: see tests/fuzz.
#   cmake -C tools/cmake/builds/clang.cmake -S . -B build-clang
set(CMAKE_C_COMPILER clang CACHE FILEPATH "" FORCE)
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
set(TROUPE_WERROR ON CACHE BOOL "" FORCE)
set(TROUPE_FUZZ ON CACHE BOOL "" FORCE)
