# One fault of each kind: a report that did not fail its test would go unseen.
add_executable(faulty ${CMAKE_CURRENT_LIST_DIR}/faulty.cpp)
target_link_libraries(faulty PRIVATE Threads::Threads)
add_test(NAME sanitizer-none COMMAND faulty none)
if(TROUPE_SANITIZE STREQUAL "address")
  set(faults overflow undefined leak)
else()
  set(faults race)
endif()
foreach(fault IN LISTS faults)
  add_test(NAME sanitizer-${fault} COMMAND faulty ${fault})
  set_tests_properties(sanitizer-${fault} PROPERTIES WILL_FAIL TRUE)
endforeach()

# The same of a program that a test in JavaScript starts: whatever that test looks at.
foreach(fault IN ITEMS none ${faults})
  add_test(NAME sanitizer-child-${fault} COMMAND ${CMAKE_COMMAND} -E env FAULT=${fault} TROUPE_BIN=${CMAKE_BINARY_DIR}/bin
    node --test ${CMAKE_CURRENT_LIST_DIR}/child.mjs)
  if(NOT fault STREQUAL "none")
    set_tests_properties(sanitizer-child-${fault} PROPERTIES WILL_FAIL TRUE)
  endif()
endforeach()

# The programs as people use them, by those files of the acceptance tests that bring many of their
# parts to work in little time. All of them: tests/acceptance/run build/asan/bin.
if(EXISTS ${PROJECT_SOURCE_DIR}/tests/acceptance/package-lock.json)
  add_test(NAME sanitizer-acceptance COMMAND ${PROJECT_SOURCE_DIR}/tests/acceptance/run
    ${CMAKE_BINARY_DIR}/bin cluster.test control_plane idempotency watching suspended_tenant receiver_urls
    client_faults refusals)
  set_tests_properties(sanitizer-acceptance PROPERTIES TIMEOUT 900)
endif()

# Reports go to stderr and fail: ThreadSanitizer's and LeakSanitizer's at the program's end, the
# others' at once.
set(options
  "ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1"
  "LSAN_OPTIONS=suppressions=${CMAKE_CURRENT_LIST_DIR}/leak.supp:print_suppressions=0"
  "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
  "TSAN_OPTIONS=suppressions=${CMAKE_CURRENT_LIST_DIR}/thread.supp:second_deadlock_stack=1"
  "TROUPE_TEST_SLOWNESS=4")
get_directory_property(all_tests TESTS)
foreach(name IN LISTS all_tests)
  set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT ${options})
endforeach()
