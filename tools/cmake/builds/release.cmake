# Optimised; every warning is an error.
#   cmake -C tools/cmake/builds/release.cmake -S . -B build-release
set(CMAKE_C_COMPILER gcc CACHE FILEPATH "" FORCE)
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
set(TROUPE_WERROR ON CACHE BOOL "" FORCE)
