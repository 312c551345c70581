# The harness is proven by a target with a planted bug: ctest's WILL_FAIL does not cover a program that ends by a signal, so
# this script runs the replay and looks at how it ended. PROGRAM is the planted-bug target, CORPUS its corpus.
function(expect_replay OUTCOME FOLDER)
  execute_process(COMMAND ${PROGRAM} ${FOLDER} RESULT_VARIABLE RESULT OUTPUT_VARIABLE OUTPUT ERROR_VARIABLE ERRORS)
  if(OUTCOME STREQUAL "pass" AND NOT RESULT STREQUAL "0")
    message(FATAL_ERROR "${FOLDER}: the replay should pass, but ended with ${RESULT}\n${OUTPUT}${ERRORS}")
  elseif(OUTCOME STREQUAL "fail" AND RESULT STREQUAL "0")
    message(FATAL_ERROR "${FOLDER}: the replay should fail, but passed\n${OUTPUT}")
  endif()
endfunction()

set(EMPTY "${CMAKE_CURRENT_BINARY_DIR}/planted_bug_empty")
file(MAKE_DIRECTORY ${EMPTY})
expect_replay(pass ${CORPUS}/harmless)
expect_replay(fail ${CORPUS}/whole)      # the bug is in the seed itself
expect_replay(fail ${CORPUS}/truncated)  # the bug is in a truncation only
expect_replay(fail ${EMPTY})
expect_replay(fail ${CORPUS}/missing)
