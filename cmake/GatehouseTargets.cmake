include(GoogleTest)

# gatehouse_library(common_base SOURCES a.cc DEPS common_x PRIVATE_DEPS PkgConfig::openssl): one static library per room.
# DEPS are what its headers need, PRIVATE_DEPS what only its .cc files need.
function(gatehouse_library NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${NAME} STATIC ${ARG_SOURCES})
  target_link_libraries(${NAME} PUBLIC ${ARG_DEPS} PRIVATE gatehouse_options ${ARG_PRIVATE_DEPS})
endfunction()

# gatehouse_program(gatehouse-agent SOURCES main.cc DEPS agent_x): an installed program.
function(gatehouse_program NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${NAME} ${ARG_SOURCES})
  target_link_libraries(${NAME} PRIVATE gatehouse_options ${ARG_DEPS})
  install(TARGETS ${NAME} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()

# gatehouse_test(common_base_test SOURCES a_test.cc DEPS common_base [LABELS net]): one GoogleTest program per room,
# each of its tests a ctest test of its own.
function(gatehouse_test NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${NAME} ${ARG_SOURCES})
  target_link_libraries(${NAME} PRIVATE gatehouse_options ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  target_compile_definitions(${NAME} PRIVATE
    GATEHOUSE_SOURCE_DIR="${CMAKE_SOURCE_DIR}" GATEHOUSE_BINARY_DIR="${CMAKE_BINARY_DIR}")
  gtest_discover_tests(${NAME} PROPERTIES TIMEOUT 120 LABELS "${ARG_LABELS}" DISCOVERY_TIMEOUT 60)
endfunction()

# gatehouse_fuzz(json SOURCES json_fuzz.cc DEPS common_codec): LLVMFuzzerTestOneInput over tests/fuzz/corpus/json. In an
# ordinary build it is linked with a driver that replays the corpus as a ctest test; in the fuzz preset with libFuzzer.
function(gatehouse_fuzz NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  set(TARGET fuzz_${NAME})
  add_executable(${TARGET} ${ARG_SOURCES})
  target_link_libraries(${TARGET} PRIVATE gatehouse_options ${ARG_DEPS})
  if(GATEHOUSE_FUZZ)
    target_link_options(${TARGET} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${TARGET} PRIVATE "${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.cc")
    add_test(NAME fuzz_replay.${NAME} COMMAND ${TARGET} "${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${NAME}")
    set_tests_properties(fuzz_replay.${NAME} PROPERTIES TIMEOUT 120 LABELS fuzz)
  endif()
endfunction()
