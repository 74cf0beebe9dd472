# How the parts of Troupe are put together. A layer is a folder that shows its include/ to everybody and its layer/ to
# the layers above; a large one has rooms, folders that see only those below them. troupe_library() makes one static and
# one shared library of all but those that are apart, of which troupe_library_apart() makes a library of its own.

option(TROUPE_TESTS "Build the tests, examples and benchmarks" ${PROJECT_IS_TOP_LEVEL})
option(TROUPE_INSTALL "Make install targets" ${PROJECT_IS_TOP_LEVEL})
option(TROUPE_WERROR "Treat warnings as errors" OFF)
set(TROUPE_TLS AUTO CACHE STRING "TLS, by OpenSSL 3: AUTO, if it is there; ON, needed; OFF, its calls answer TR_ENOTSUPPORTED")
set_property(CACHE TROUPE_TLS PROPERTY STRINGS AUTO ON OFF)
set(TROUPE_SANITIZE "" CACHE STRING "Sanitizers to build with: address,undefined or thread")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Kind of build" FORCE)
endif()
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

include(CheckIncludeFile)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv>=1.44)
pkg_check_modules(CK REQUIRED IMPORTED_TARGET ck>=0.7)

# OpenSSL, if it is there and wanted: what the libraries are linked with for TLS, and what those need who link the static
# one.
set(TROUPE_HAS_TLS OFF)
if(NOT TROUPE_TLS STREQUAL OFF)
    pkg_check_modules(OPENSSL IMPORTED_TARGET libssl>=3.0 libcrypto>=3.0)
    if(OPENSSL_FOUND)
        set(TROUPE_HAS_TLS ON)
        set(TROUPE_TLS_LIBRARIES PkgConfig::OPENSSL)
        set(TROUPE_PC_TLS ", libssl >= 3.0, libcrypto >= 3.0")
    elseif(NOT TROUPE_TLS STREQUAL AUTO)
        message(FATAL_ERROR "TROUPE_TLS=ON needs OpenSSL 3 (Debian: apt install libssl-dev)")
    endif()
endif()

# With its header AES-GCM can be libipsec-mb's where that is installed: net/tls/gcm_provider.c.
set(TROUPE_TLS_GCM gcm_provider_none.c)
check_include_file(intel-ipsec-mb.h TROUPE_HAS_IPSEC_MB_H)
if(TROUPE_HAS_IPSEC_MB_H)
    set(TROUPE_TLS_GCM gcm_provider.c sealer.c vector_gcm.c)
endif()

# What troupe-trace packs traces with, if it is there: tools/trace/read/frame_*.c.
set(TROUPE_TRACE_FRAMES none)
pkg_check_modules(ZSTD IMPORTED_TARGET libzstd>=1.4)
if(ZSTD_FOUND)
    set(TROUPE_TRACE_FRAMES zstd)
    set(TROUPE_TRACE_LIBRARIES PkgConfig::ZSTD)
endif()

# What every file of ours is compiled with; never exported.
add_library(troupe_flags INTERFACE)
target_compile_options(troupe_flags INTERFACE -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes)
target_compile_definitions(troupe_flags INTERFACE _GNU_SOURCE)
if(TROUPE_WERROR)
    target_compile_options(troupe_flags INTERFACE -Werror)
endif()
if(TROUPE_SANITIZE)
    target_compile_options(troupe_flags INTERFACE
        -fsanitize=${TROUPE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(troupe_flags INTERFACE -fsanitize=${TROUPE_SANITIZE})
endif()

# Objects of the library: what all files of a layer see, and how they are compiled.
function(troupe_objects target layer)
    add_library(${target} OBJECT ${ARGN})
    get_property(below GLOBAL PROPERTY TROUPE_BELOW_${layer})
    target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/include ${CMAKE_CURRENT_SOURCE_DIR}/layer)
    foreach(seen ${below})
        target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/${seen}/include
            ${PROJECT_SOURCE_DIR}/${seen}/layer)
    endforeach()
    # gcc takes every exported function of a shared library for one that may be replaced, and then inlines none of them.
    # Vectorized copies of fields that were just stored one by one stall: see tri_message_move(). Where functions begin on
    # lines of their own a change does not move others: otherwise that alone made a message 5 % dearer or cheaper.
    target_compile_options(${target} PRIVATE
        -fno-semantic-interposition -fno-tree-slp-vectorize -falign-functions=64)
    target_link_libraries(${target} PRIVATE troupe_flags PkgConfig::UV PkgConfig::CK)
    get_property(apart GLOBAL PROPERTY TROUPE_APART)
    if(NOT layer IN_LIST apart)
        set_property(GLOBAL APPEND PROPERTY TROUPE_OBJECTS ${target})
    endif()
    set_property(GLOBAL APPEND PROPERTY TROUPE_OBJECTS_${layer} ${target})
endfunction()

# troupe_layer(NAME [APART] [BELOW <layers>] [ROOMS <rooms>] [SOURCES <files>]): every header in the layer's include/ is
# public. Its files lie in rooms, or in its own folder, which is above the rooms. One that is APART is not in the library.
function(troupe_layer name)
    cmake_parse_arguments(LAYER "APART" "" "BELOW;ROOMS;SOURCES" ${ARGN})
    set_property(GLOBAL APPEND PROPERTY TROUPE_LAYERS ${name})
    set_property(GLOBAL PROPERTY TROUPE_FOLDER_${name} ${CMAKE_CURRENT_SOURCE_DIR})
    set_property(GLOBAL PROPERTY TROUPE_BELOW_${name} ${LAYER_BELOW})
    if(LAYER_APART)
        set_property(GLOBAL APPEND PROPERTY TROUPE_APART ${name})
    else()
        set_property(GLOBAL APPEND PROPERTY TROUPE_INCLUDES ${CMAKE_CURRENT_SOURCE_DIR}/include)
    endif()
    if(LAYER_SOURCES)
        troupe_objects(troupe_${name} ${name} ${LAYER_SOURCES})
        target_include_directories(troupe_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
        foreach(room ${LAYER_ROOMS})
            target_include_directories(troupe_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${room})
        endforeach()
        list(TRANSFORM LAYER_ROOMS PREPEND troupe_${name}_)
        set_property(GLOBAL PROPERTY TROUPE_BELOW_troupe_${name} ${LAYER_ROOMS})
    endif()
endfunction()

# troupe_room(LAYER NAME [BELOW <rooms>] SOURCES <files>): a folder of a layer. Of the layer's private headers it sees its
# own and those of the rooms below it.
function(troupe_room layer name)
    cmake_parse_arguments(ROOM "" "" "BELOW;SOURCES" ${ARGN})
    list(TRANSFORM ROOM_SOURCES PREPEND ${name}/)
    troupe_objects(troupe_${layer}_${name} ${layer} ${ROOM_SOURCES})
    troupe_room_sees(troupe_${layer} ${name} ${ROOM_BELOW})
    set_property(GLOBAL APPEND PROPERTY TROUPE_ROOMS_${layer} ${name})
endfunction()

# troupe_tool_room(TOOL NAME [BELOW <rooms>] SOURCES <files>): a folder of a tool. Of the library it sees the layer/ of
# each layer
function(troupe_tool_room tool name)
    cmake_parse_arguments(ROOM "" "" "BELOW;SOURCES" ${ARGN})
    list(TRANSFORM ROOM_SOURCES PREPEND ${name}/)
    add_library(troupe_${tool}_${name} OBJECT ${ROOM_SOURCES})
    foreach(layer core actors net)
        target_include_directories(troupe_${tool}_${name} PRIVATE ${PROJECT_SOURCE_DIR}/${layer}/layer)
    endforeach()
    target_link_libraries(troupe_${tool}_${name} PRIVATE troupe_flags)
    troupe_room_sees(troupe_${tool} ${name} ${ROOM_BELOW})
    set_property(GLOBAL APPEND PROPERTY TROUPE_TOOL_ROOMS troupe_${tool}_${name})
endfunction()

# troupe_tool_texts(TOOL ROOM <files>): files of the room that the tool prints. The room's "<room>_texts.h" has each of them
# as a string, text_<name>_<ending>.
function(troupe_tool_texts tool room)
    set(header "/* Made from the files of this room. */\n")
    foreach(file ${ARGN})
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${room}/${file})
        file(READ ${room}/${file} bytes HEX)
        string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
        string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
        string(REPLACE "." "_" name ${file})
        string(APPEND header "static const char text_${name}[] = {\n${bytes}0};\n")
    endforeach()
    file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${room}/${room}_texts.h CONTENT "${header}" @ONLY)
    target_include_directories(troupe_${tool}_${room} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/${room})
endfunction()

# troupe_room_sees(PREFIX NAME [<rooms>]): the room sees its own headers and those of the rooms below it.
function(troupe_room_sees prefix name)
    foreach(seen ${name} ${ARGN})
        target_include_directories(${prefix}_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${seen})
    endforeach()
    list(TRANSFORM ARGN PREPEND ${prefix}_ OUTPUT_VARIABLE below)
    set_property(GLOBAL PROPERTY TROUPE_BELOW_${prefix}_${name} ${below})
endfunction()

# Appends to a list of parts: name=object:object... of a target and those that it must link with.
function(troupe_part to target)
    set(part "${target}=$<JOIN:$<TARGET_OBJECTS:${target}>,:>")
    foreach(other ${ARGN})
        string(APPEND part ":$<JOIN:$<TARGET_OBJECTS:${other}>,:>")
    endforeach()
    set(${to} ${${to}} ${part} PARENT_SCOPE)
endfunction()

# What each part of the library must link with, in such a list: itself, the rooms below it and all of the layers below
# its own.
function(troupe_parts out)
    set(parts "")
    get_property(layers GLOBAL PROPERTY TROUPE_LAYERS)
    foreach(layer ${layers})
        get_property(own GLOBAL PROPERTY TROUPE_OBJECTS_${layer})
        get_property(below GLOBAL PROPERTY TROUPE_BELOW_${layer})
        foreach(target ${own})
            get_property(with GLOBAL PROPERTY TROUPE_BELOW_${target})
            foreach(other ${below})
                get_property(objects GLOBAL PROPERTY TROUPE_OBJECTS_${other})
                list(APPEND with ${objects})
            endforeach()
            troupe_part(parts ${target} ${with})
        endforeach()
    endforeach()
    set(${out} ${parts} PARENT_SCOPE)
endfunction()

# The same of the rooms of tools: itself and the rooms below it.
function(troupe_tool_parts out)
    set(parts "")
    get_property(rooms GLOBAL PROPERTY TROUPE_TOOL_ROOMS)
    foreach(target ${rooms})
        get_property(with GLOBAL PROPERTY TROUPE_BELOW_${target})
        troupe_part(parts ${target} ${with})
    endforeach()
    set(${out} ${parts} PARENT_SCOPE)
endfunction()

# The libraries that users link, libtroupe.a and libtroupe.so: troupe::troupe_static, which is also troupe::troupe,
# and troupe::troupe_shared. Until 1.0 every minor version may change the binary interface, so it is in the soname.
function(troupe_library)
    get_property(objects GLOBAL PROPERTY TROUPE_OBJECTS)
    get_property(includes GLOBAL PROPERTY TROUPE_INCLUDES)
    foreach(kind STATIC SHARED)
        string(TOLOWER troupe_${kind} library)
        add_library(${library} ${kind})
        foreach(part ${objects})
            target_sources(${library} PRIVATE $<TARGET_OBJECTS:${part}>)
        endforeach()
        set_target_properties(${library} PROPERTIES OUTPUT_NAME troupe LINKER_LANGUAGE C VERSION ${PROJECT_VERSION}
            SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
        target_include_directories(${library} INTERFACE
            "$<BUILD_INTERFACE:${includes}>" $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
        target_link_libraries(${library} PRIVATE PkgConfig::UV PkgConfig::CK ${TROUPE_TLS_LIBRARIES} Threads::Threads)
        if(TROUPE_SANITIZE)
            target_link_options(${library} PUBLIC -fsanitize=${TROUPE_SANITIZE})
        endif()
        add_library(troupe::${library} ALIAS ${library})
    endforeach()
    add_library(troupe::troupe ALIAS troupe_static)
endfunction()

# troupe_library_apart(LAYER): libtroupe-<layer>.a, troupe::<layer>, for programs that want it beside the library. It calls
# what the shared one does not show, so it brings the static one with it.
function(troupe_library_apart layer)
    get_property(objects GLOBAL PROPERTY TROUPE_OBJECTS_${layer})
    get_property(folder GLOBAL PROPERTY TROUPE_FOLDER_${layer})
    set(library troupe_apart_${layer})
    add_library(${library} STATIC)
    foreach(part ${objects})
        target_sources(${library} PRIVATE $<TARGET_OBJECTS:${part}>)
    endforeach()
    set_target_properties(${library} PROPERTIES OUTPUT_NAME troupe-${layer} EXPORT_NAME ${layer} LINKER_LANGUAGE C)
    target_include_directories(${library} INTERFACE
        "$<BUILD_INTERFACE:${folder}/include>" $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_link_libraries(${library} PUBLIC troupe_static)
    add_library(troupe::${layer} ALIAS ${library})
endfunction()

# Libraries, public headers, the CMake package and the pkg-config file. Programs install themselves.
function(troupe_install)
    get_property(includes GLOBAL PROPERTY TROUPE_INCLUDES)
    get_property(apart GLOBAL PROPERTY TROUPE_APART)
    set(package ${CMAKE_INSTALL_LIBDIR}/cmake/troupe)
    install(TARGETS troupe_static troupe_shared EXPORT troupe-targets)
    foreach(layer ${apart})
        install(TARGETS troupe_apart_${layer} EXPORT troupe-targets)
        get_property(folder GLOBAL PROPERTY TROUPE_FOLDER_${layer})
        list(APPEND includes ${folder}/include)
    endforeach()
    foreach(include ${includes})
        install(DIRECTORY ${include}/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h)
    endforeach()
    install(EXPORT troupe-targets NAMESPACE troupe:: DESTINATION ${package})

    include(CMakePackageConfigHelpers)
    configure_package_config_file(${PROJECT_SOURCE_DIR}/tools/cmake/troupe-config.cmake.in troupe-config.cmake
        INSTALL_DESTINATION ${package})
    write_basic_package_version_file(troupe-config-version.cmake COMPATIBILITY SameMinorVersion)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/troupe-config.cmake
        ${CMAKE_CURRENT_BINARY_DIR}/troupe-config-version.cmake DESTINATION ${package})

    # The prefix is found from the file's own place, so that an installed tree can be moved.
    file(RELATIVE_PATH TROUPE_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
    string(REGEX REPLACE "/$" "" TROUPE_PC_PREFIX ${TROUPE_PC_PREFIX})
    if(TROUPE_SANITIZE)
        set(TROUPE_PC_SANITIZE " -fsanitize=${TROUPE_SANITIZE}")
    endif()
    configure_file(${PROJECT_SOURCE_DIR}/tools/cmake/troupe.pc.in troupe.pc @ONLY)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/troupe.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
    foreach(TROUPE_PC_APART ${apart})
        configure_file(${PROJECT_SOURCE_DIR}/tools/cmake/troupe-apart.pc.in troupe-${TROUPE_PC_APART}.pc @ONLY)
        install(FILES ${CMAKE_CURRENT_BINARY_DIR}/troupe-${TROUPE_PC_APART}.pc
            DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
    endforeach()
    install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
endfunction()
