# Counts which lines and branches run. Threads share the counters, so they are atomic, or their sums would be wrong.
#   cmake -C tools/cmake/builds/coverage.cmake -S . -B build-coverage
set(CMAKE_C_COMPILER gcc CACHE FILEPATH "" FORCE)
set(CMAKE_BUILD_TYPE Debug CACHE STRING "" FORCE)
set(CMAKE_C_FLAGS_DEBUG "-O0 -g --coverage -fprofile-update=atomic" CACHE STRING "" FORCE)
set(TROUPE_WERROR ON CACHE BOOL "" FORCE)
