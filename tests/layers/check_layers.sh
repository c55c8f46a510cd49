#!/usr/bin/env bash
# Fails on an include that points up the house, and says which line and which rule.
#
#   check_layers.sh [ROOT]      ROOT: the folder that holds kernels/, engine/, ... [this repository]
#
# A file's floor is its first folder; kernels/base is a floor of its own, below the rest of kernels. What each floor
# may include is the table in the script below. Includes of the house are written from the repository root, so that
# this check (and a reader) can see where they point: "view.h" and "../base/view.h" are findings as well.
# Written for awk because a bare Debian has no other interpreter.
set -euo pipefail

root=${1:-$(dirname -- "${BASH_SOURCE[0]}")/../..}
cd -- "$root"

floors=()
for floor in kernels engine samplers runners tests; do
  if [[ -d $floor ]]; then floors+=("$floor"); fi
done
if ((${#floors[@]} == 0)); then
  echo "check_layers: no floor of the house in $root" >&2
  exit 2
fi

mapfile -d '' -t sources < <(find "${floors[@]}" -type f \( -name '*.h' -o -name '*.hpp' -o -name '*.cuh' \
  -o -name '*.inc' -o -name '*.cpp' -o -name '*.cu' \) -print0 | sort -z)
if ((${#sources[@]} == 0)); then
  echo "check_layers: no source in $root" >&2
  exit 2
fi

# shellcheck disable=SC2016  # the dollars are awk's
exec awk '
  function floor_of(path) {
    if (path ~ /^kernels\/base\//) return "kernels/base"
    sub(/\/.*/, "", path)
    return path
  }

  BEGIN {
    allowed["kernels/base"] = "kernels/base"
    allowed["kernels"]      = "kernels kernels/base"
    allowed["samplers"]     = "samplers kernels/base"
    allowed["engine"]       = "engine kernels kernels/base"
    allowed["runners"]      = "runners engine samplers kernels/base"
    allowed["tests"]        = "tests runners engine samplers kernels kernels/base"
    findings = 0
    files = 0
  }

  function finding(text) {
    printf "%s:%d: %s\n", FILENAME, FNR, text
    findings++
  }

  FNR == 1 { files++ }

  /^[ \t]*#[ \t]*include[ \t]*["<]/ {
    target = $0
    quoted = target ~ /^[ \t]*#[ \t]*include[ \t]*"/
    sub(/^[ \t]*#[ \t]*include[ \t]*["<]/, "", target)
    sub(/[">].*/, "", target)

    from = floor_of(FILENAME)
    to = floor_of(target)
    in_house = to in allowed && target ~ /\//
    if (in_house && !quoted) {
      finding("<" target ">: includes of the house are written in quotes")
    } else if (in_house && target ~ /\.\.\//) {
      finding("\"" target "\": no .. in an include")
    } else if (in_house && index(" " allowed[from] " ", " " to " ") == 0) {
      finding(from " must not include " to " (\"" target "\"); it may include: " allowed[from])
    } else if (!in_house && quoted && target !~ /\.pb\.h$/) {
      finding("\"" target "\": write the path from the repository root; quotes are for files of the house")
    }
  }

  END {
    if (findings) { printf "check_layers: %d findings in %d files\n", findings, files; exit 1 }
    printf "check_layers: %d files point down only\n", files
  }' "${sources[@]}"
