# -DDML_SANITIZE=address,undefined or thread instruments every target of ours (the presets asan and tsan, which
# compile with -O1 -g1: a third of the compile time of -O2 -g, and stack traces with line numbers all the same).
#
# Defines for the tests:
#   DML_TEST_ENVIRONMENT      what the sanitizers' run-time libraries are told, as NAME=VALUE entries
#   DML_TEST_TIMEOUT_FACTOR   how much longer a test may take than without instrumentation
set(DML_TEST_ENVIRONMENT "")
set(DML_TEST_TIMEOUT_FACTOR 1)

# Appends NAME=options, with tests/sanitizers/SUPPRESSIONS when that file exists.
function(dml_sanitizer_options name options suppressions)
  set(file "${PROJECT_SOURCE_DIR}/tests/sanitizers/${suppressions}")
  if(EXISTS "${file}")
    string(APPEND options ":suppressions='${file}'")
  endif()
  set(DML_TEST_ENVIRONMENT ${DML_TEST_ENVIRONMENT} "${name}=${options}" PARENT_SCOPE)
endfunction()

if(DML_SANITIZE)
  add_compile_options(-fsanitize=${DML_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${DML_SANITIZE})
  # Cheap checks of the standard library's own preconditions; they change no layout.
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
  set(DML_TEST_TIMEOUT_FACTOR 5)
endif()

if(DML_SANITIZE MATCHES "address")
  dml_sanitizer_options(ASAN_OPTIONS "detect_stack_use_after_return=1:strict_string_checks=1" asan.supp)
  dml_sanitizer_options(LSAN_OPTIONS "print_suppressions=0" lsan.supp)
endif()
if(DML_SANITIZE MATCHES "undefined")
  dml_sanitizer_options(UBSAN_OPTIONS "print_stacktrace=1" ubsan.supp)
endif()
if(DML_SANITIZE MATCHES "thread")
  dml_sanitizer_options(TSAN_OPTIONS "second_deadlock_stack=1" tsan.supp)
  # libgomp is not instrumented: its barriers are invisible to TSan, so that every OpenMP loop would be reported.
  list(APPEND DML_TEST_ENVIRONMENT OMP_NUM_THREADS=1)
endif()
