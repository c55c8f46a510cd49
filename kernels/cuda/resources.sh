#!/usr/bin/env bash
# What our kernels need of a GPU, as ptxas counts it: registers, shared memory, spills and arrays in local memory.
#
#   kernels/cuda/resources.sh           compare with kernels/cuda/resources.txt: a spill, a kernel without launch
#                                       bounds, or more registers or shared memory than the table says is an error
#   kernels/cuda/resources.sh update    write the table
#
#   ARCHITECTURE=sm_80 kernels/cuda/resources.sh    another architecture than the table's: spills and launch bounds alone
#
# The table is each kernel's budget: raising one is a change that a reader sees. Registers times threads fit a
# multiprocessor because every kernel states its launch bounds, which ptxas keeps to. Needs nvcc (exit code 77 without
# it), not a GPU.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
cd -- "$root"
readonly table=kernels/cuda/resources.txt table_architecture=sm_90
readonly architecture=${ARCHITECTURE:-$table_architecture}

nvcc=$(command -v nvcc || true)
if [[ -z $nvcc && -x /usr/local/cuda/bin/nvcc ]]; then nvcc=/usr/local/cuda/bin/nvcc; fi
if [[ -z $nvcc ]]; then
  echo "resources: nvcc was found neither on PATH nor in /usr/local/cuda/bin" >&2
  exit 77
fi

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

# Compiles one file; leaves "KERNEL REGISTERS SHARED SPILLED BOUND" lines in $work.
measure() {  # FILE
  local file=$1 name
  name=$(basename -- "$file" .cu)
  mkdir -- "$work/$name"
  "$nvcc" -std=c++20 -arch="$architecture" -I. -Xptxas -v --keep --keep-dir "$work/$name" -cubin \
    -o "$work/$name.cubin" "$file" >"$work/$name.log" 2>&1 || {
    cat -- "$work/$name.log" >&2
    return 1
  }
  cat -- "$work/$name"/*.ptx "$work/$name.log" | awk '
    /^\.(visible |weak )?\.?entry|\.entry / { match($0, /_Z[A-Za-z0-9_]+/); entry = substr($0, RSTART, RLENGTH); bound[entry] = 0 }
    /^\.maxntid/ { bound[entry] = $2 + 0 }
    /Compiling entry function/ { match($0, /_Z[A-Za-z0-9_]+/); kernel = substr($0, RSTART, RLENGTH) }
    /spill stores/ { spilled = $5 + $9 > $1 ? $5 + $9 : $1 + 0 }  # an array that is not in registers is in the frame
    /Used [0-9]+ registers/ {
      registers = shared = 0
      for (i = 1; i <= NF; i++) {
        if ($(i + 1) ~ /^registers/) registers = $i
        if ($(i + 1) == "bytes" && $(i + 2) ~ /^smem/) shared = $i
      }
      print kernel, registers, shared, spilled, bound[kernel]
    }' >"$work/$name.lines"
}

running=0
for file in kernels/cuda/*.cu; do
  measure "$file" &
  if ((++running % $(nproc) == 0)); then wait -n; fi
done
failed=0
for job in $(jobs -p); do wait "$job" || failed=1; done
((failed == 0)) || exit 1

{
  echo "# Kernels on $architecture: registers a thread, static shared memory in bytes, threads a block at most. Made by kernels/cuda/resources.sh update."
  cat -- "$work"/*.lines | awk '{ print $2, $3, $4, $5, $1 }' | c++filt | sed -E '
    s/dml::cuda:://g; s/\(anonymous namespace\):://g; s/_GLOBAL__N__[A-Za-z0-9_]+:://g; s/void //; s/\(.*//' |
    awk '{ kernel = $5; for (i = 6; i <= NF; i++) kernel = kernel " " $i
           printf "%4d registers %6d shared %3d spilled %5d threads  %s\n", $1, $2, $3, $4, kernel }' | sort -k9 | uniq
} >"$work/table"

awk '/^#/ { next }
     / spilled / && $5 != 0 { print "resources: " $5 " bytes in local memory: " $0; bad = 1 }
     / threads / && $7 == 0 { print "resources: states no launch bounds: " $0; bad = 1 }
     END { exit bad }' "$work/table" >&2 || failed=1

if [[ ${1:-check} == update ]]; then
  grep -Ev '[1-9] spilled' "$work/table" >"$table"
  echo "resources: wrote $table, $(grep -c "^ " "$table") kernels"
  exit "$failed"
fi

if [[ $architecture != "$table_architecture" ]]; then
  ((failed == 0)) || exit 1
  echo "resources: $(grep -c '^ ' "$work/table") kernels on $architecture, nothing in local memory"
  exit 0
fi

# Every kernel is in the table and within it; a kernel that needs less is good news, told but not an error.
awk '
  /^#/ { next }
  / registers / { kernel = $9; for (i = 10; i <= NF; i++) kernel = kernel " " $i }
  FNR == NR { if (/ registers /) { registers[kernel] = $1; shared[kernel] = $3 }; next }
  !/ registers / { next }
  !(kernel in registers) { print "resources: not in the table: " kernel; bad = 1; next }
  { seen[kernel] = 1 }
  $1 > registers[kernel] + 0 { print "resources: " kernel " needs " $1 " registers, its budget is " registers[kernel]; bad = 1 }
  $3 > shared[kernel] + 0 { print "resources: " kernel " needs " $3 " bytes of shared memory, its budget is " shared[kernel]; bad = 1 }
  $1 < registers[kernel] + 0 { print "resources: " kernel " needs only " $1 " registers of " registers[kernel] }
  END {
    for (kernel in registers) if (!(kernel in seen)) { print "resources: in the table, but not compiled: " kernel; bad = 1 }
    exit bad
  }' "$table" "$work/table" || failed=1
((failed == 0)) || exit 1
echo "resources: $(grep -c '^ ' "$work/table") kernels within their budgets, nothing in local memory"
