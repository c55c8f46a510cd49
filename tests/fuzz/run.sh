#!/bin/sh
# Runs every fuzz target for a while, from its committed seeds and what earlier runs found.
#
#   tests/fuzz/run.sh [SECONDS] [--coverage] [--target NAME]     SECONDS per target, 60 if not given
#   tests/fuzz/run.sh --make-corpus                              writes the seeds of tests/fuzz/corpus again
#
# --coverage then measures which lines of each parser the inputs reach, and fails below 80 percent.
# A finding stops the script with status 1; its input lies in build/fuzz/findings. Inputs worth keeping gather in
# build/fuzz/corpus, which is not committed.
set -eu

seconds=60
coverage=no
only=
while [ $# -gt 0 ]; do
  case $1 in
    --coverage) coverage=yes ;;
    --target) only=${2:?"--target needs a name"}; shift ;;
    --make-corpus) seconds=make-corpus ;;
    ''|*[!0-9]*) echo "usage: tests/fuzz/run.sh [SECONDS] [--coverage] [--target NAME] | --make-corpus" >&2; exit 64 ;;
    *) seconds=$1 ;;
  esac
  shift
done

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cd "$root"
build=build/fuzz
coverage_build=build/fuzz-coverage
least_percent=80

# Each target with the files whose lines count as its parser, and its dictionary.
targets="idx gzip safetensors checkpoint command_line"
parser_of() {
  case $1 in
    idx) echo engine/data/idx.cpp ;;
    gzip) echo engine/data/gzip.cpp ;;
    safetensors) echo engine/run/safetensors.cpp ;;
    checkpoint) echo engine/run/checkpoint.cpp ;;
    command_line) echo runners/cli ;;
  esac
}
dictionary_of() {
  case $1 in
    safetensors|checkpoint) echo -dict=tests/fuzz/safetensors.dict ;;
    command_line) echo -dict=tests/fuzz/command_line.dict ;;
  esac
}

# Runs a command and shows the end of what it said only if it fails.
quietly() {
  if ! "$@" >$build.log 2>&1; then
    tail -n 40 $build.log >&2
    echo "tests/fuzz/run.sh: failed: $*" >&2
    exit 70
  fi
}

if [ -n "$only" ]; then
  case " $targets " in
    *" $only "*) targets=$only ;;
    *) echo "tests/fuzz/run.sh: no target $only; there are: $targets" >&2; exit 64 ;;
  esac
fi

mkdir -p build
quietly cmake --preset fuzz
quietly cmake --build $build --target fuzzers

if [ "$seconds" = make-corpus ]; then
  $build/tests/fuzz/make_corpus tests/fuzz/corpus
  exit 0
fi

mkdir -p $build/findings
for target in $targets; do
  mkdir -p "$build/corpus/$target"
  log=$build/findings/$target.log
  # shellcheck disable=SC2046  # an absent dictionary must not become an empty argument
  if ! "$build/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=8192 \
    -print_final_stats=1 -artifact_prefix="$build/findings/$target-" $(dictionary_of "$target") \
    "$build/corpus/$target" "tests/fuzz/corpus/$target" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "$target: FINDING, its input is $build/findings/$target-*" >&2
    exit 1
  fi
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  echo "$target: no finding in $runs runs, ${seconds} s, $(find "$build/corpus/$target" -type f | wc -l) inputs kept"
done

[ $coverage = yes ] || exit 0

quietly cmake --preset fuzz -B $coverage_build \
  -DCMAKE_CXX_FLAGS="-fprofile-instr-generate -fcoverage-mapping"
quietly cmake --build $coverage_build --target fuzzers
status=0
for target in $targets; do
  program=$coverage_build/tests/fuzz/fuzz_$target
  parser=$(parser_of "$target")
  LLVM_PROFILE_FILE=$program.profraw quietly "$program" -runs=0 "$build/corpus/$target" "tests/fuzz/corpus/$target"
  llvm-profdata-14 merge -sparse "$program.profraw" -o "$program.profdata"
  llvm-cov-14 show "$program" -instr-profile="$program.profdata" "$parser" >"$program.lines"
  percent=$(llvm-cov-14 export -summary-only "$program" -instr-profile="$program.profdata" "$parser" |
    python3 -c 'import json, sys; print("%.1f" % json.load(sys.stdin)["data"][0]["totals"]["lines"]["percent"])')
  echo "$target: $percent % of the lines of $parser reached (line by line in $program.lines)"
  if [ "${percent%.*}" -lt $least_percent ]; then
    echo "$target: below $least_percent %" >&2
    status=1
  fi
done
exit $status
