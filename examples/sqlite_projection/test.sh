#!/usr/bin/env bash
# Kills the projecting process again and again while another one appends; each event counts exactly
# once all the same: test.sh PROGRAM EMPTY_DIRECTORY
set -euo pipefail

program=$1
cd "$2"

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

trap 'kill $(jobs -p) 2>/dev/null || true' EXIT # what still runs when something fails
seed=${NORI_TEST_SEED:-$RANDOM}
printf 'NORI_TEST_SEED=%d\n' "$seed"
RANDOM=$seed

# Appends until it is told to stop; then `appended` has the number of events.
append() {
  local round
  for ((round = 1; ; ++round)); do
    "$program" store append 1000 $((seed + round))
    echo $((round * 1000)) >appended
    [[ ! -e stop ]] || return 0
  done
}
"$program" store append 0 "$seed" # so that there is a store
append &
appending=$!

kills=0
while ((kills < 25)); do
  : >progress
  "$program" store project view >progress 2>errors &
  projecting=$!
  until [[ -s progress ]]; do
    kill -0 "$projecting" 2>/dev/null || fail "it ended by itself: $(<errors)"
    kill -0 "$appending" 2>/dev/null || fail "appending ended by itself"
    sleep 0.01
  done
  sleep "0.$(printf %03d $((RANDOM % 100)))"
  kill -9 "$projecting" 2>/dev/null || fail "it ended by itself: $(<errors)"
  wait "$projecting" 2>/dev/null || true
  ((++kills))
done
: >stop
wait "$appending" || fail "appending: status $?"

"$program" store catch_up view >progress
"$program" store totals >expected
"$program" store totals view >found
diff expected found || fail "after $kills kills: what SQLite has (>) is not what the events say (<)"
events=$(awk '{ n += $5 } END { print n }' expected)
[[ $events == "$(<appended)" ]] || fail "$events events instead of $(<appended)"
printf '%d events, killed %d times\n' "$events" $kills

echo "a view that is ahead of its store is refused"
"$program" other append 10 1
! "$program" other catch_up view >progress 2>errors || fail "it was not refused"
grep -q "remove it" errors || fail "$(<errors)"

echo "a lost view is made again"
rm view*
"$program" store catch_up view >progress
diff expected <("$program" store totals view) || fail "the new view is another one"
