#!/usr/bin/env bash
# Measures for a moment: that it works, not how fast. test.sh PROGRAM EMPTY_DIRECTORY
set -euo pipefail

output=$("$1" "$2" 0.2 2)
printf '%s\n' "$output"
# A line for each number of connections, and nothing in it is 0.
awk 'NR > 2 { ++lines; if ($2 <= 0 || $6 <= 0) bad = 1 } END { exit lines == 2 && !bad ? 0 : 1 }' \
  <<<"$output"
