# Compiled with clang, with AddressSanitizer, UndefinedBehaviorSanitizer and the checks of a Debug build; every warning
# is an error. With the fuzz targets: see tests/fuzz.
#   cmake -C tools/cmake/builds/address.cmake -S . -B build-address
set(CMAKE_C_COMPILER clang CACHE FILEPATH "" FORCE)
set(CMAKE_BUILD_TYPE Debug CACHE STRING "" FORCE)
set(CMAKE_C_FLAGS_DEBUG "-O1 -g" CACHE STRING "" FORCE)
set(TROUPE_SANITIZE address,undefined CACHE STRING "" FORCE)
set(TROUPE_FUZZ ON CACHE BOOL "" FORCE)
set(TROUPE_WERROR ON CACHE BOOL "" FORCE)
