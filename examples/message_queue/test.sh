#!/usr/bin/env bash
# Consumers with positions of their own, restarted and killed: test.sh PROGRAM EMPTY_DIRECTORY
set -euo pipefail

program=$1
cd "$2"

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}
# expect OUTPUT ARGUMENT...
expect() {
  local output
  output=$("$program" queue "${@:2}") || fail "${*:2}: status $?"
  [[ $output == "$1" ]] || fail "${*:2}: \"$output\" instead of \"$1\""
}

echo "two consumers, each at its own position, across restarts"
expect "" send one two three
expect $'a received 0: one\na received 1: two' receive a 2
expect "b received 0: one" receive b 1
expect "a received 2: three" receive a
expect "" receive a
expect "" send four
expect "a received 3: four" receive a
expect $'b received 1: two\nb received 2: three\nb received 3: four' receive b

echo "producer and consumers at the same time, twice"
# takes CONSUMER FROM TO OUTPUT: that it received these ids, in order.
takes() {
  local got
  got=$(sed -n "s/^$1 received \([0-9]*\): .*/\1/p" <<<"$4")
  [[ $got == "$(seq "$2" "$3")" ]] || fail "$1 received $got instead of $2 to $3"
}
first=$("$program" live)
takes mailer 0 9 "$first"
takes auditor 0 3 "$first"
second=$("$program" live)
takes mailer 10 19 "$second"
takes auditor 4 7 "$second"

echo "killed while it receives"
seed=${NORI_TEST_SEED:-$RANDOM}
printf '  NORI_TEST_SEED=%d\n' "$seed"
RANDOM=$seed
messages=400
"$program" long send $(seq $messages)
: >received
kills=0
while true; do
  have=$(wc -l <received)
  "$program" long receive worker >>received &
  worker=$!
  until (($(wc -l <received) > have)) || ! kill -0 "$worker" 2>/dev/null; do sleep 0.01; done
  sleep "0.$(printf %03d $((RANDOM % 100)))"
  # It may have come to the end.
  kill -9 "$worker" 2>/dev/null || true
  if wait "$worker" 2>/dev/null; then break; fi
  ((++kills))
done
cut -d ' ' -f 4 received >texts
# A message may come again, right after itself; none is missing or out of order.
diff <(uniq texts) <(seq $messages) >difference || fail "$(head -n 5 difference)"
again=$(($(wc -l <texts) - messages))
((again <= kills)) || fail "$again repeats after $kills kills"
((kills > 0)) || fail "it was not killed once"
printf '  %d messages, killed %d times, %d of them received again\n' $messages $kills $again
