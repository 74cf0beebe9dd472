# With ThreadSanitizer and the checks of a Debug build; every warning is an error.
#   cmake -C tools/cmake/builds/thread.cmake -S . -B build-thread
set(CMAKE_C_COMPILER gcc CACHE FILEPATH "" FORCE)
set(CMAKE_BUILD_TYPE Debug CACHE STRING "" FORCE)
set(CMAKE_C_FLAGS_DEBUG "-O1 -g" CACHE STRING "" FORCE)
set(TROUPE_SANITIZE thread CACHE STRING "" FORCE)
set(TROUPE_WERROR ON CACHE BOOL "" FORCE)
