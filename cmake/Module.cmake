# bulwark_module(<folder> [DEPS <folders...>] [LIBS <targets...>] [TEST_DEPS <targets...>])
#
# Builds src/<folder> as one static library: *.cc beside their *.h. Found by suffix:
#   x_test.cc   one GoogleTest binary a module, <name>_test
#   x_threads_test.cc  the same, apart: <name>_threads_test, labelled `threads`, which run under TSan
#   x_fuzz.cc   one libFuzzer binary a file (preset fuzz), else replayed over its corpus as a test
#   x_bench.cc  one google-benchmark binary a module, <name>_bench (target `benches`)
# A module sees the headers of the modules it names in DEPS (and of theirs), and of no others: each
# module has an include root of its own, a link that shows nothing but that folder.
# A module may name only modules listed before it in src/CMakeLists.txt.
function(bulwark_module folder)
  cmake_parse_arguments(M "" "" "DEPS;LIBS;TEST_DEPS" ${ARGN})
  string(REPLACE "/" "_" name ${folder})
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")  # the program's, not the module's
  set(tests ${sources})
  set(fuzzers ${sources})
  set(benches ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|bench|fuzz)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(threads_tests ${tests})
  list(FILTER threads_tests INCLUDE REGEX "_threads_test\\.cc$")
  list(FILTER tests EXCLUDE REGEX "_threads_test\\.cc$")
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  list(FILTER benches INCLUDE REGEX "_bench\\.cc$")

  set(root ${PROJECT_BINARY_DIR}/layers/${name})
  cmake_path(GET folder PARENT_PATH parent)
  file(MAKE_DIRECTORY ${root}/${parent})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${root}/${folder} SYMBOLIC)

  add_library(bw_${name} STATIC ${sources})
  add_library(bulwark::${name} ALIAS bw_${name})
  target_include_directories(bw_${name} PUBLIC ${root})
  foreach(dep IN LISTS M_DEPS)
    string(REPLACE "/" "_" dep_name ${dep})
    if(NOT TARGET bulwark::${dep_name})
      message(FATAL_ERROR "${folder} names ${dep}, which is not listed before it in src/CMakeLists.txt")
    endif()
    target_link_libraries(bw_${name} PUBLIC bulwark::${dep_name})
  endforeach()
  target_link_libraries(bw_${name} PRIVATE ${M_LIBS})

  if(tests AND BUILD_TESTING)
    bulwark_test(${name}_test ${folder} SOURCES ${tests} LIBS bulwark::${name} ${M_LIBS} ${M_TEST_DEPS})
  endif()
  if(threads_tests AND BUILD_TESTING)
    bulwark_test(${name}_threads_test threads SOURCES ${threads_tests} LIBS bulwark::${name} ${M_LIBS}
                 ${M_TEST_DEPS})
    add_dependencies(threads_tests ${name}_threads_test)
  endif()

  foreach(fuzzer IN LISTS fuzzers)
    cmake_path(GET fuzzer STEM stem)
    bulwark_fuzzer(${name}_${stem} ${fuzzer} ${CMAKE_CURRENT_SOURCE_DIR}/testdata/${stem}
                   bulwark::${name} ${M_LIBS})
  endforeach()

  if(benches AND benchmark_FOUND)
    add_executable(${name}_bench EXCLUDE_FROM_ALL ${benches})
    target_link_libraries(${name}_bench PRIVATE bulwark::${name} ${M_LIBS} benchmark::benchmark_main)
    target_compile_definitions(${name}_bench PRIVATE BULWARK_SOURCE_DIR=".")
    add_dependencies(benches ${name}_bench)
  endif()
endfunction()

# bulwark_test(<target> <label> SOURCES <files...> LIBS <targets...>)
#
# A GoogleTest binary; each case is registered with CTest as <label>/Suite.Name. Tests run in the
# repository's folder: BULWARK_SOURCE_DIR, before the paths of test data, is "." so that the same
# object serves every checkout.
function(bulwark_test target label)
  cmake_parse_arguments(T "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${target} ${T_SOURCES})
  target_link_libraries(${target} PRIVATE ${T_LIBS} GTest::gmock GTest::gtest_main)
  target_compile_definitions(${target} PRIVATE BULWARK_SOURCE_DIR=".")
  gtest_discover_tests(
    ${target}
    TEST_PREFIX "${label}/"
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS "${label}" TIMEOUT 900)
endfunction()

# One fuzz target. Under the preset `fuzz` it is a libFuzzer binary (target `fuzzers`); in any other
# build the same function runs over its committed corpus as a test, so that it cannot rot.
function(bulwark_fuzzer name source corpus)
  if(BULWARK_FUZZ)
    add_executable(${name} ${source})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_libraries(${name} PRIVATE ${ARGN})
    add_dependencies(fuzzers ${name})
    set_property(GLOBAL APPEND PROPERTY BULWARK_FUZZERS "${name}|${corpus}")
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
    file(WRITE ${PROJECT_BINARY_DIR}/fuzz/${name}.corpus "${corpus}\n")
  elseif(BUILD_TESTING)
    add_executable(${name} ${source} ${PROJECT_SOURCE_DIR}/cmake/fuzz_replay.cc)
    target_link_libraries(${name} PRIVATE ${ARGN})
    add_test(NAME fuzz_corpus/${name} COMMAND ${name} ${corpus})
    set_tests_properties(fuzz_corpus/${name} PROPERTIES LABELS "fuzz_corpus" TIMEOUT 600)
  endif()
endfunction()
