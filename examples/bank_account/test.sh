#!/usr/bin/env bash
# Drives the program as its user would: test.sh PROGRAM EMPTY_DIRECTORY
set -euo pipefail

program=$1
cd "$2"

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

# expect STATUS OUTPUT ARGUMENT...: runs the program and compares all that it prints.
expect() {
  local status=0 output
  output=$("$program" "${@:3}" 2>errors) || status=$?
  [[ $status == "$1" ]] || fail "${*:3}: status $status instead of $1: $output $(<errors)"
  [[ $output == "$2" ]] || fail "${*:3}: printed \"$output\" instead of \"$2\""
}

# refuse STATUS PATTERN ARGUMENT...: runs the program, which must say why on standard error.
refuse() {
  local status=0
  "$program" "${@:3}" >output 2>errors || status=$?
  [[ $status == "$1" ]] || fail "${*:3}: status $status instead of $1: $(<errors)"
  [[ ! -s output ]] || fail "${*:3}: printed $(<output)"
  [[ $(<errors) == $2 ]] || fail "${*:3}: said \"$(<errors)\", which is not like \"$2\""
}

echo "the demonstration, three times on the same directory"
expect 0 "Opened the event store in ./event_store: recovered 0 events in 0 segments, the next event id is 0
Opened Alice's account with \$1000
Deposited \$500
Withdrew \$200
Alice's balance: \$1300"
expect 0 "Opened the event store in a bank: recovered 0 events in 0 segments, the next event id is 0
Opened Alice's account with \$1000
Deposited \$500
Withdrew \$200
Alice's balance: \$1300" "a bank"
expect 0 "Opened the event store in ./event_store: recovered 3 events in 1 segment, the next event id is 3
Alice has an account with \$1300
Deposited \$500
Withdrew \$200
Alice's balance: \$1600"
"$program" | tail -n 1 | grep -qxF "Alice's balance: \$1900" || fail "the third run"

echo "alice, bob and charlie"
expect 0 "alice's balance: \$1000" bank open alice 1000
expect 0 "alice's balance: \$1500" bank deposit alice 500
expect 0 "alice's balance: \$1500" bank balance alice
expect 0 "bob's balance: \$2000" bank open bob 2000
expect 0 "bob's balance: \$3000" bank deposit bob 1000
expect 0 "bob's balance: \$2500" bank withdraw bob 500
expect 0 "bob's balance: \$2500" bank balance bob
expect 0 "charlie's balance: \$100" bank open charlie 100
"$program" bank events >before
expect 1 "Insufficient balance" bank withdraw charlie 100.01
"$program" bank events >after
cmp before after || fail "a rejected withdrawal left something behind"
expect 0 "charlie's balance: \$0" bank withdraw charlie 100
expect 0 "0 account_opened alice \$1000
1 money_deposited alice \$500
2 account_opened bob \$2000
3 money_deposited bob \$1000
4 money_withdrawn bob \$500
5 account_opened charlie \$100
6 money_withdrawn charlie \$100" bank events

echo "rules"
expect 1 "Account exists already" bank open alice 1
expect 1 "No such account" bank deposit nobody 1
expect 1 "No such account" bank withdraw nobody 1
expect 1 "No such account" bank balance nobody
expect 1 "Amount must be more than \$0" bank deposit alice 0
expect 1 "Amount must be more than \$0" bank withdraw alice 0.00
expect 1 "Balance would become too large" bank deposit alice 92233720368547758.07
expect 0 "rich's balance: \$92233720368547758.07" bank open rich 92233720368547758.07
expect 1 "Balance would become too large" bank deposit rich 0.01
expect 0 "Zoë d'Arc's balance: \$0.05" bank open "Zoë d'Arc" 0.05
expect 0 "Zoë d'Arc's balance: \$0.15" bank deposit "Zoë d'Arc" 0.1

echo "command lines"
for amount in "" -5 +5 1e3 1,000 1.234 1. .5 0x10 abc 92233720368547758.08 99999999999999999999; do
  refuse 2 "*AMOUNT is in dollars*" bank deposit alice "$amount"
done
refuse 2 "*NAME is*" bank balance ""
refuse 2 "*NAME is*" bank open $'two\nlines' 1
refuse 2 "*no such command: transfer*" bank transfer alice bob 1
refuse 2 "*deposit takes NAME and AMOUNT*" bank deposit alice
refuse 2 "*balance takes NAME*" bank balance alice bob
refuse 2 "*no such option: --frob*" --frob
refuse 2 "*DIRECTORY is empty*" ""
"$program" --help | grep -q "^usage:" || fail "--help"
refuse 3 "*No such file or directory*" missing balance alice
refuse 3 "*No such file or directory*" missing/parent open alice 1
: >file
refuse 3 "*Not a directory*" file open alice 1
[[ ! -e missing ]] || fail "looking at a balance created a directory"

echo "a directory that another program has open"
mkfifo gate
flock bank/lock cat gate >/dev/null &
holder=$!
exec 3>gate # opens once the holder has the lock
refuse 3 "bank_account: bank is locked:*" bank deposit alice 1
refuse 3 "bank_account: bank is locked:*" bank
expect 0 "alice's balance: \$1500" bank balance alice
exec 3>&-
wait "$holder"
expect 0 "alice's balance: \$1501" bank deposit alice 1

echo "many at once"
pids=()
for i in {1..12}; do
  "$program" bank deposit alice 1 >"out.$i" 2>"err.$i" &
  pids+=($!)
done
succeeded=0
for i in {1..12}; do
  status=0
  wait "${pids[i - 1]}" || status=$?
  case $status in
    0) ((++succeeded)) ;;
    3) grep -q "is locked" "err.$i" || fail "at once: $(<"err.$i")" ;;
    *) fail "at once: status $status: $(<"out.$i") $(<"err.$i")" ;;
  esac
done
((succeeded > 0)) || fail "at once: all found it locked"
expect 0 "alice's balance: \$$((1501 + succeeded))" bank balance alice

echo "killed between and within deposits"
expect 0 "dave's balance: \$0" bank open dave 0
acknowledged=0 in_doubt=0
set -m # a process group for each background job
for round in {1..20}; do
  : >acks
  while "$program" bank deposit dave 1 >>acks; do :; done &
  loop=$!
  sleep "0.$((RANDOM % 200 + 100))"
  kill -9 -- "-$loop"
  wait "$loop" 2>/dev/null || true
  flock bank/lock true # waits until the process is gone; its id may outlive it
  last=$(tail -n 1 acks)
  last=${last##*\$}
  : "${last:=$acknowledged}"
  balance=$("$program" bank balance dave) || fail "round $round: $balance"
  balance=${balance##*\$}
  ((balance == last || balance == last + 1)) ||
    fail "round $round: \$$last acknowledged, \$$balance there"
  ((in_doubt += balance - last)) || true
  # The balance above was read without repairing anything; a deposit repairs.
  expect 0 "dave's balance: \$$((balance + 1))" bank deposit dave 1
  acknowledged=$((balance + 1))
done
set +m
printf '  %d deposits, %d of them never acknowledged\n' "$acknowledged" "$in_doubt"
expect 0 "dave's balance: \$$acknowledged" bank balance dave
[[ $("$program" bank events | awk '$1 != NR - 1') == "" ]] || fail "event ids have gaps"

echo "a damaged directory"
cp -a bank damaged
segment=damaged/00000000000000000001.segment
byte=$(od -An -tu1 -j 8300 -N 1 "$segment")
printf "\\x$(printf %02x $((byte ^ 1)))" | dd of="$segment" bs=1 seek=8300 conv=notrunc status=none
# The lock names who holds it; it is no data.
sha256sum $(ls damaged/* | grep -v '/lock$') >before
refuse 3 "*the events in damaged are damaged; nothing was changed:*offset*" damaged deposit dave 1
refuse 3 "*the events in damaged are damaged; nothing was changed:*offset*" damaged balance dave
refuse 3 "*the events in damaged are damaged; nothing was changed:*offset*" damaged
sha256sum --quiet -c before || fail "a damaged directory was changed"

echo "another program's log"
other=$(dirname "$program")/first_steps
if [[ -x $other ]]; then
  "$other" other >/dev/null
  refuse 3 "*segment 1 offset * (type: unknown)*not JSON*" other balance order-1
else
  echo "SKIP: first_steps is not built"
fi

echo "standard output that can't be written to"
if [[ -c /dev/full ]]; then
  status=0
  "$program" bank events >/dev/full 2>errors || status=$?
  [[ $status == 3 ]] || fail "status $status with a full standard output"
fi
