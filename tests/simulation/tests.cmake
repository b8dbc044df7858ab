# The whole actor graph, one message at a time: a seed decides everything.
file(GLOB simulation CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.cpp)
set(simulation_rooms troupe_actors troupe_actors_store troupe_past)
list(FILTER simulation EXCLUDE REGEX "/(main|mutants)\\.cpp$")
add_library(simulation_parts OBJECT ${simulation})
target_link_libraries(simulation_parts PUBLIC ${simulation_rooms} CAF::test)
target_precompile_headers(simulation_parts REUSE_FROM troupe_test_main)
add_executable(simulation ${CMAKE_CURRENT_LIST_DIR}/main.cpp)
target_link_libraries(simulation PRIVATE simulation_parts)
# 200 seeds in two halves, side by side where there are two cores.
add_test(NAME simulation COMMAND simulation --seeds 100 --complete)
add_test(NAME simulation-more COMMAND simulation --first 101 --seeds 100 --complete)
set_tests_properties(simulation simulation-more PROPERTIES TIMEOUT 600)
# A seed has one history, whatever the machine's clocks and entropy are, and what ran before it in
# the same process. The two others show that it would be seen.
add_test(NAME simulation-twice COMMAND simulation --first 201 --seeds 10 --twice)
add_test(NAME simulation-twice-clock COMMAND simulation --seeds 1 --twice --plant=clock)
add_test(NAME simulation-twice-entropy COMMAND simulation --seeds 1 --twice --plant=entropy)
set_tests_properties(simulation-twice-clock simulation-twice-entropy PROPERTIES
  PASS_REGULAR_EXPRESSION "has two histories")

# The same with faults on purpose: the sources that have one are compiled anew, and taken instead of
# those in the libraries. Of runtime/policy all of them: its library is made of larger parts.
file(GLOB mutated CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/runtime/policy/*.cpp)
foreach(name IN ITEMS bot/attempts bot/bot bots/bots_passivation rate_governor/rate_governor supervisor/kin supervisor/ends)
  list(APPEND mutated ${PROJECT_SOURCE_DIR}/actors/${name}.cpp)
endforeach()
add_executable(simulation-mutants ${CMAKE_CURRENT_LIST_DIR}/main.cpp
  ${CMAKE_CURRENT_LIST_DIR}/mutants.cpp ${mutated})
target_link_libraries(simulation-mutants PRIVATE simulation_parts)
target_compile_definitions(simulation-mutants PRIVATE TROUPE_SIMULATION_MUTANTS)
set_target_properties(simulation-mutants PROPERTIES OUTPUT_NAME troupe-simulation)
# Each is found, for the promise that it breaks, by a seed that breaks none without it; and what
# such a seed prints is a smaller plan that breaks the same promise.
foreach(name IN ITEMS window-off-by-one windows-forgotten lease-kept repeated-blindly update-dropped
    chat-overtaken children-orphaned restarts-unbounded deadline-ignored breaker-unproven
    pin-ignored needed-again-ignored)
  add_test(NAME simulation-${name} COMMAND simulation-mutants --mutation=${name} --seeds=150)
  set_tests_properties(simulation-${name} PROPERTIES TIMEOUT 300)
endforeach()
# No mutation is in the program; the second test shows that the first one would see it.
add_test(NAME simulation-none COMMAND grep -qa "mutation:window" $<TARGET_FILE:trouped>)
add_test(NAME simulation-some COMMAND grep -qa "mutation:window" $<TARGET_FILE:simulation-mutants>)
set_tests_properties(simulation-none PROPERTIES WILL_FAIL TRUE)

# Three nodes as one: membership, governors, desks and views are real, in one order of messages.
file(GLOB clustered CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/cluster/*.cpp)
list(FILTER clustered EXCLUDE REGEX "/(main|mutants)\\.cpp$")
add_library(cluster_simulation_parts OBJECT ${clustered})
target_link_libraries(cluster_simulation_parts PUBLIC troupe_actors troupe_store troupe_cluster CAF::test)
target_precompile_headers(cluster_simulation_parts REUSE_FROM troupe_test_main)
add_executable(cluster-simulation ${CMAKE_CURRENT_LIST_DIR}/cluster/main.cpp)
target_link_libraries(cluster-simulation PRIVATE cluster_simulation_parts)
file(GLOB clustered_mutated CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/runtime/policy/*.cpp
  ${PROJECT_SOURCE_DIR}/actors/cluster/*.cpp)
list(APPEND clustered_mutated ${PROJECT_SOURCE_DIR}/actors/rate_governor/rate_governor.cpp)
add_executable(cluster-simulation-mutants ${CMAKE_CURRENT_LIST_DIR}/cluster/main.cpp
  ${CMAKE_CURRENT_LIST_DIR}/cluster/mutants.cpp ${clustered_mutated})
target_link_libraries(cluster-simulation-mutants PRIVATE cluster_simulation_parts)
target_compile_definitions(cluster-simulation-mutants PRIVATE TROUPE_SIMULATION_MUTANTS)
set_target_properties(cluster-simulation-mutants PROPERTIES OUTPUT_NAME troupe-cluster-simulation)
add_test(NAME cluster-simulation COMMAND cluster-simulation --seeds 40 --complete)
add_test(NAME cluster-simulation-second COMMAND cluster-simulation --first 41 --seeds 40)
add_test(NAME cluster-simulation-third COMMAND cluster-simulation --first 81 --seeds 40)
add_test(NAME cluster-simulation-fourth COMMAND cluster-simulation --first 161 --seeds 40)
add_test(NAME cluster-simulation-twice COMMAND cluster-simulation --first 201 --seeds 4 --twice)
set_tests_properties(cluster-simulation cluster-simulation-second cluster-simulation-third
  cluster-simulation-fourth PROPERTIES TIMEOUT 300)
foreach(name IN ITEMS slice-not-rested slice-unconfirmed grants-without-lease owner-beyond-lease past-forgotten
    leader-impatient)
  add_test(NAME cluster-simulation-${name} COMMAND cluster-simulation-mutants --mutation=${name} --seeds=60)
  set_tests_properties(cluster-simulation-${name} PROPERTIES TIMEOUT 300)
endforeach()
add_test(NAME cluster-simulation-none COMMAND grep -qa "mutation:slice" $<TARGET_FILE:trouped>)
add_test(NAME cluster-simulation-some COMMAND grep -qa "mutation:slice" $<TARGET_FILE:cluster-simulation-mutants>)
set_tests_properties(cluster-simulation-none PROPERTIES WILL_FAIL TRUE)
