#!/usr/bin/env bash
# Puts, removes, restarts and kills: test.sh PROGRAM EMPTY_DIRECTORY
set -euo pipefail

program=$1
cd "$2"

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}
# expect STATUS OUTPUT ARGUMENT...
expect() {
  local status=0 output
  output=$("$program" store "${@:3}") || status=$?
  [[ $status == "$1" && $output == "$2" ]] ||
    fail "${*:3}: status $status and \"$output\" instead of $1 and \"$2\""
}

echo "every command opens the store again"
expect 1 "" get colour
expect 0 "" put colour red
expect 0 "red" get colour
expect 0 "" put colour green
expect 0 "green" get colour
expect 0 "" put shape "a circle"
expect 0 "" put empty ""
expect 0 "" get empty
expect 0 $'colour green\nempty \nshape a circle' list

echo "removing"
expect 0 "" remove colour
expect 1 "" get colour
expect 1 "" remove colour
expect 0 $'empty \nshape a circle' list
expect 0 $'red\ngreen\nremoved' history colour
expect 0 "" put colour blue
expect 0 "blue" get colour
expect 0 $'red\ngreen\nremoved\nblue' history colour

echo "killed while it puts"
seed=${NORI_TEST_SEED:-$RANDOM}
printf '  NORI_TEST_SEED=%d\n' "$seed"
RANDOM=$seed
for round in {1..15}; do
  : >acks
  "$program" store count visits >acks &
  counting=$!
  until [[ -s acks ]]; do
    kill -0 "$counting" 2>/dev/null || fail "it ended by itself"
    sleep 0.01
  done
  sleep "0.$(printf %03d $((RANDOM % 100)))"
  kill -9 "$counting"
  wait "$counting" 2>/dev/null || true
  last=$(tail -n 1 acks)
  found=$("$program" store get visits) || fail "round $round: nothing is there"
  ((found == last || found == last + 1)) || fail "round $round: $last acknowledged, $found there"
done
printf '  %d puts\n' "$found"
expect 0 "blue" get colour
