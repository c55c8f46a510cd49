#!/usr/bin/env bash
# What ./quickstart does on machines that are hard to come by: as a user who may not install packages, with packages
# that cannot be had, with a stale build folder, in a clone of somebody else. dpkg-query, apt-get, sudo, id, cmake,
# ctest and the compiler are stand-ins that record how they were called; nothing is installed or built.
set -euo pipefail

source_root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
failures=0

# ---- stand-ins ---------------------------------------------------------------------------------------------------

mkdir "$scratch/bin"
stand_in() {  # NAME: body on stdin
  { printf '#!/usr/bin/env bash\n' && cat; } >"$scratch/bin/$1"
  chmod +x "$scratch/bin/$1"
}

# The last argument is the package; $INSTALLED lists what is there.
stand_in dpkg-query <<'E2'
if grep -qxF -- "${@: -1}" "$INSTALLED"; then printf installed; else exit 1; fi
E2
stand_in apt-get <<'E2'
printf 'apt-get %s\n' "$*" >>"$CALLS"
for word in "$@"; do
  if [[ $word == "${UNAVAILABLE:-none}" ]]; then exit 100; fi
done
# Options before `install` and after it begin with a dash or follow -o; what is left are packages.
while [[ $# -gt 0 && $1 != install ]]; do shift; done
for word in "${@:2}"; do
  if [[ $word != -* ]]; then printf '%s\n' "$word" >>"$INSTALLED"; fi
done
E2
stand_in sudo <<'E2'
printf 'sudo %s\n' "$*" >>"$CALLS"
[[ ${MAY_SUDO:-no} == yes ]] || exit 1
exec "${@:2}"
E2
stand_in id <<'E2'
if [[ $* == -u ]]; then echo "$USER_ID"; else echo somebody; fi
E2
stand_in c++ <<'E2'
echo "${COMPILER_VERSION:-12.2.0}"
E2
# Configures and builds: a cache like CMake's, and a program that prints its arguments and folder.
stand_in cmake <<'E2'
printf 'cmake %s\n' "$*" >>"$CALLS"
if [[ $1 == --build ]]; then
  echo '[1/1] Building'
  if [[ ${BROKEN_BUILD:-no} == yes ]]; then echo 'error: the reason'; exit 1; fi
  mkdir -p "$2/runners"
  printf '#!/bin/sh\necho "program in $PWD:"\nprintf "<%%s>\\n" "$@"\n' >"$2/runners/dml_engine"
  chmod +x "$2/runners/dml_engine"
  exit 0
fi
build=$4
if [[ ${BROKEN_CONFIGURE:-no} == yes || -e $build/poison ]]; then echo 'CMake Error: the cause'; exit 1; fi
mkdir -p "$build/CMakeFiles/3.25.1"
tests=OFF
if [[ $* == *DML_BUILD_TESTS=ON* ]]; then tests=ON; fi
{
  echo "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD"
  echo "CMAKE_CACHEFILE_DIR:INTERNAL=$build"
  echo "CMAKE_CXX_COMPILER:FILEPATH=$(command -v c++)"
  echo "DML_BUILD_TESTS:BOOL=$tests"
} >"$build/CMakeCache.txt"
echo "set(CMAKE_CXX_COMPILER_VERSION \"$(c++)\")" >"$build/CMakeFiles/3.25.1/CMakeCXXCompiler.cmake"
touch "$build/build.ninja"
E2
stand_in ctest <<'E2'
printf 'ctest %s\n' "$*" >>"$CALLS"
if [[ $* == *-R\ skips* ]]; then
  mkdir -p -- "$2/Testing/Temporary"
  printf '%s\n' '[ RUN      ] Dataset.Mnist' 'dataset_test.cpp:302: Skipped' 'no folder' '[  SKIPPED ] Dataset.Mnist (0 ms)' \
    '[  SKIPPED ] 1 test, listed below:' '[  SKIPPED ] Dataset.Mnist' >"$2/Testing/Temporary/LastTest.log"
  exit 8
fi
E2

# ---- one case ------------------------------------------------------------------------------------------------------

# A new clone with nothing installed. Its path holds a space; the caller stands elsewhere.
fresh_clone() {
  rm -rf -- "$scratch/a clone" "$scratch/elsewhere"
  mkdir "$scratch/a clone" "$scratch/elsewhere"
  cp "$source_root/quickstart" "$scratch/a clone/"
  : >"$scratch/installed"
}

install_everything() {
  sed -n 's/^\(build\|test\|data\|check\)  *\([^ ]*\) .*/\2/p' "$source_root/quickstart" >"$scratch/installed"
}

# Runs quickstart with VARIABLE=value settings before `--`; fills code, output (both streams) and calls.
quickstart() {  # [SETTING...] -- ARGUMENTS...
  local -a settings=()
  while [[ $1 != -- ]]; do
    settings+=("$1")
    shift
  done
  shift
  : >"$scratch/calls"
  code=0
  output=$(cd "$scratch/elsewhere" && env -i PATH="$scratch/bin:/usr/bin:/bin" HOME="$scratch/home" USER_ID=0 \
    INSTALLED="$scratch/installed" CALLS="$scratch/calls" "${settings[@]}" \
    "$scratch/a clone/quickstart" "$@" 2>&1) || code=$?
  calls=$(<"$scratch/calls")
}

report() {
  printf 'FAILED: %s: %s\n--- output (exit code %s)\n%s\n--- calls\n%s\n' "$current" "$1" "$code" "$output" "$calls" >&2
  failures=$((failures + 1))
}
case_of() { current=$1; }
expect_code() { [[ $code == "$1" ]] || report "exit code is not $1"; }
expect_output() { [[ $output == *"$1"* ]] || report "does not print '$1'"; }
expect_no_output() { [[ $output != *"$1"* ]] || report "prints '$1'"; }
expect_call() { [[ $calls == *"$1"* ]] || report "does not call '$1'"; }
expect_no_call() { [[ $calls != *"$1"* ]] || report "calls '$1'"; }

# ---- cases ---------------------------------------------------------------------------------------------------------

case_of 'no command'
fresh_clone
quickstart --
expect_code 0
expect_output 'usage: ./quickstart COMMAND'

case_of 'unknown command'
quickstart -- dmeo
expect_code 64
expect_output "no command is called 'dmeo'"

case_of 'missing packages, no right to install'
fresh_clone
install_everything
sed -i '/^cmake$/d; /^zlib1g-dev$/d' "$scratch/installed"
quickstart USER_ID=1000 -- demo
expect_code 69
expect_output 'apt-get update && apt-get install --no-install-recommends -y cmake zlib1g-dev'
expect_no_call 'apt-get'
expect_no_call 'cmake'

case_of 'missing packages, sudo without a password'
quickstart USER_ID=1000 MAY_SUDO=yes -- demo
expect_code 0
expect_call 'sudo -n env DEBIAN_FRONTEND=noninteractive apt-get'

case_of 'missing packages, root'
fresh_clone
install_everything
sed -i '/^cmake$/d; /^zlib1g-dev$/d' "$scratch/installed"
quickstart -- build
expect_code 0
expect_output 'installing 2 Debian packages: cmake zlib1g-dev'
expect_call 'install --no-install-recommends cmake zlib1g-dev'
[[ $(grep -c ' update$' <<<"$calls") == 1 ]] || report 'package lists are not fetched exactly once'

case_of 'missing packages and data, root'
fresh_clone
install_everything
sed -i '/^cmake$/d; /^dataset-/d' "$scratch/installed"
quickstart -- demo
expect_code 0
expect_call 'install --no-install-recommends dataset-fashion-mnist'
[[ $(grep -c ' update$' <<<"$calls") == 1 ]] || report 'package lists are not fetched exactly once'

case_of 'nothing missing'
quickstart -- build
expect_code 0
expect_no_call 'apt-get'
expect_no_call 'cmake --preset'

case_of 'arguments and current folder reach the program'
fresh_clone
install_everything
quickstart -- demo --epochs 1 --data-dir 'my data'
expect_code 0
expect_output "program in $scratch/elsewhere:"
expect_output $'<demo>\n<--epochs>\n<1>\n<--data-dir>\n<my data>'
expect_call 'DML_BUILD_TESTS=OFF'
expect_call '--target dml_engine'
[[ $(readlink "$scratch/a clone/dml_engine") == build/release/runners/dml_engine ]] || report 'no link at the root'

case_of 'test after demo configures the tests, demo after test leaves them'
quickstart -- test -R sampler
expect_code 0
expect_call 'DML_BUILD_TESTS=ON'
expect_call '--target all'
expect_call 'ctest --test-dir'
expect_call '-L quick -R sampler'
quickstart -- test --all
expect_no_call '-L quick'
quickstart -- demo
expect_code 0
expect_no_call 'cmake --preset'

case_of 'a skipped case is named with its reason, and how ctest ended is kept'
quickstart -- test -R skips
expect_code 8
expect_output 'quickstart: skipped: Dataset.Mnist: no folder'
quickstart -- test -R sampler
expect_code 0
expect_no_output 'skipped'

case_of 'another preset has a folder of its own and no link'
fresh_clone
install_everything
quickstart -- test --preset asan
expect_code 0
expect_call "cmake --preset asan -B $scratch/a clone/build/asan"
expect_call "ctest --test-dir $scratch/a clone/build/asan"
[[ ! -e $scratch/a\ clone/dml_engine ]] || report 'links the program of a sanitizer'
quickstart -- test --preset fast
expect_code 64

case_of 'a data package that cannot be had'
fresh_clone
install_everything
sed -i '/^dataset-/d' "$scratch/installed"
quickstart UNAVAILABLE=dataset-fashion-mnist -- demo
expect_code 0
expect_output 'NO dataset-fashion-mnist HERE'
expect_output 'synthetic'
expect_output '<demo>'
quickstart UNAVAILABLE=dataset-fashion-mnist -- demo
expect_code 0
expect_no_call 'apt-get'
expect_output 'NO dataset-fashion-mnist HERE'
case_of 'a demo that names its data needs no data package'
quickstart -- demo --dataset=mnist
expect_code 0
expect_no_call 'apt-get'
expect_no_output 'NO dataset'

case_of 'a package that cannot be had'
fresh_clone
install_everything
sed -i '/^libgloo-dev$/d' "$scratch/installed"
quickstart UNAVAILABLE=libgloo-dev -- demo
expect_code 69
expect_output 'install --no-install-recommends -y libgloo-dev'
expect_no_call 'cmake'

case_of 'a clone that was moved'
fresh_clone
install_everything
quickstart -- build
sed -i "s|^CMAKE_HOME_DIRECTORY.*|CMAKE_HOME_DIRECTORY:INTERNAL=/old/place|" "$scratch/a clone/build/release/CMakeCache.txt"
touch "$scratch/a clone/build/release/old"
quickstart -- build
expect_code 0
expect_output 'deleting the old build folder: it was made for /old/place'
[[ ! -e $scratch/a\ clone/build/release/old ]] || report 'the old build folder is still there'

case_of 'another version of the compiler'
quickstart COMPILER_VERSION=13.1.0 -- build
expect_code 0
expect_output 'deleting the old build folder: it was made with version 12.2.0'
quickstart COMPILER_VERSION=13.1.0 -- build
expect_no_output 'deleting'

case_of 'another compiler'
quickstart CXX=cat -- build
expect_output 'deleting the old build folder: it was made with'

case_of 'a build folder that cannot be configured any more'
fresh_clone
install_everything
mkdir -p "$scratch/a clone/build/release"
touch "$scratch/a clone/build/release/poison"
quickstart -- build
expect_code 0
expect_output 'deleting it and trying once more'

case_of 'configuring fails'
fresh_clone
install_everything
quickstart BROKEN_CONFIGURE=yes -- demo
expect_code 70
expect_output 'CMake Error: the cause'
expect_output 'build/quickstart.log'
expect_no_output '<demo>'

case_of 'the build fails'
fresh_clone
install_everything
quickstart BROKEN_BUILD=yes -- demo
expect_code 70
expect_output 'error: the reason'
expect_no_output '<demo>'

# Root may write everywhere, so that this case takes the identity of nobody.
case_of 'a clone of somebody else'
fresh_clone
install_everything
rm -rf -- "${scratch:?}/home"
mkdir "$scratch/home"
chmod 755 "$scratch" "$scratch/a clone"
chmod 777 "$scratch/home"
chmod 666 "$scratch/installed" "$scratch/calls"
if [[ $(id -u) == 0 ]] && command -v setpriv >/dev/null; then
  : >"$scratch/calls"
  code=0
  output=$(cd / && setpriv --reuid=65534 --regid=65534 --clear-groups env -i PATH="$scratch/bin:/usr/bin:/bin" \
    HOME="$scratch/home" USER_ID=65534 INSTALLED="$scratch/installed" CALLS="$scratch/calls" \
    "$scratch/a clone/quickstart" demo 2>&1) || code=$?
  calls=$(<"$scratch/calls")
  expect_code 0
  expect_output "building in $scratch/home/.cache/dml_engine/"
  expect_output 'no link ./dml_engine'
  expect_output '<demo>'
  [[ ! -e $scratch/a\ clone/build ]] || report 'writes into a clone of somebody else'
else
  echo 'SKIPPED: a clone of somebody else (needs root and setpriv)'
fi

if ((failures)); then
  echo "$failures expectations failed" >&2
  exit 1
fi
echo 'quickstart behaves'
