#!/usr/bin/env bash
# The layer check finds what it is there to find: in a small house of right includes one line is planted at a time,
# and the check has to name exactly that file, line and rule.
set -euo pipefail

check=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)/check_layers.sh
house=$(mktemp -d)
trap 'rm -rf -- "$house"' EXIT
failures=0

plant() {  # FILE LINE: writes a file of one include
  mkdir -p -- "$house/$(dirname -- "$1")"
  printf '// planted\n%s\n' "$2" >"$house/$1"
}

report() {  # TEXT OUTPUT
  printf 'FAILED: %s\n%s\n' "$1" "$2" >&2
  failures=$((failures + 1))
}

expect_clean() {  # WHAT
  local output
  output=$("$BASH" "$check" "$house" 2>&1) || report "$1 is refused" "$output"
}

expect_found() {  # FILE LINE RULE
  local output code=0
  plant "$1" "$2"
  output=$("$BASH" "$check" "$house" 2>&1) || code=$?
  if [[ $code != 1 ]]; then
    report "$1 with $2: exit code $code instead of 1" "$output"
  elif [[ $output != *"$1:2: "*"$3"*"check_layers: 1 findings in "* ]]; then
    report "$1 with $2: not reported as '$3'" "$output"
  fi
  rm -- "$house/$1"
}

expect_refused() {  # WHAT
  local code=0
  "$BASH" "$check" "$house" >/dev/null 2>&1 || code=$?
  if [[ $code != 2 ]]; then report "$1: exit code $code instead of 2" ''; fi
}

expect_refused 'a folder without a house'
mkdir -p "$house/kernels"
expect_refused 'a house without sources'

plant kernels/base/view.h '#include <vector>'
plant kernels/base/shape.h '#include "kernels/base/view.h"'
plant kernels/cpu/conv.cpp '#include "kernels/base/view.h"'
plant kernels/cuda/conv.cu '#include "kernels/reference/conv.h"'
plant samplers/order.h '#include "kernels/base/view.h"'
plant samplers/balanced.cpp '#  include "samplers/order.h"  // "engine/train/plan.h" in a comment is no include'
plant engine/train/plan.h '#include "kernels/cpu/conv.h"'
plant engine/comm/grpc_store.cpp '#include "store.grpc.pb.h"'
plant runners/main.cpp '#include "samplers/order.h"'
plant runners/train.cpp '#include "engine/train/plan.h"'
plant tests/kernels/conv_test.cpp '#include "kernels/cpu/conv.h"'
expect_clean 'a house whose includes point down'

expect_found kernels/base/bad.h '#include "kernels/cpu/conv.h"' 'kernels/base must not include kernels'
expect_found kernels/base/bad.h '#include "engine/train/plan.h"' 'kernels/base must not include engine'
expect_found kernels/cpu/bad.cpp '#include "engine/train/plan.h"' 'kernels must not include engine'
expect_found kernels/cpu/bad.cpp '#include "samplers/order.h"' 'kernels must not include samplers'
expect_found kernels/cuda/bad.cu '#include "runners/cli.h"' 'kernels must not include runners'
expect_found kernels/cuda/bad.cuh '	# include	"tests/helper.h"' 'kernels must not include tests'
expect_found samplers/bad.cpp '#include "kernels/cpu/conv.h"' 'samplers must not include kernels'
expect_found samplers/bad.cpp '#include "engine/train/plan.h"' 'samplers must not include engine'
expect_found samplers/bad.cpp '#include "runners/cli.h"' 'samplers must not include runners'
expect_found engine/run/bad.h '#include "samplers/order.h"' 'engine must not include samplers'
expect_found engine/run/bad.h '#include "runners/cli.h"' 'engine must not include runners'
expect_found runners/bad.cpp '#include "kernels/cpu/conv.h"' 'runners must not include kernels'
expect_found runners/bad.cpp '#include "tests/helper.h"' 'runners must not include tests'
expect_found engine/bad.cpp '#include "plan.h"' 'from the repository root'
expect_found engine/bad.cpp '#include "../samplers/order.h"' 'from the repository root'
expect_found engine/bad.cpp '#include "engine/../samplers/order.h"' 'no .. in an include'
expect_found engine/bad.cpp '#include <engine/train/plan.h>' 'written in quotes'

expect_clean 'the house after all plants are gone'
if ((failures)); then exit 1; fi
echo 'check_layers finds every planted include'
