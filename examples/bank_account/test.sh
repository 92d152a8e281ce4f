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

# demonstrate OUTPUT DURABLE ARGUMENT...: runs the demonstration and compares what it prints, apart
# what its subscriber prints, which comes when it comes. The metrics are in the file `metrics`.
demonstrate() {
  "$program" "${@:3}" >output 2>errors || fail "demonstration: status $?: $(<output) $(<errors)"
  sed '1,/^Metrics:$/d' output >metrics
  local said
  said=$(sed '/^Metrics:$/,$d' output | grep -v '^  durable: ')
  [[ $said == "$1" ]] || fail "the demonstration printed \"$said\" instead of \"$1\""
  said=$(sed -n 's/^  durable: //p' output)
  [[ $said == "$2" ]] || fail "as durable it printed \"$said\" instead of \"$2\""
}
# measured LINE...: that the metrics have these lines.
measured() {
  local line
  for line; do
    grep -qxF -- "$line" metrics || fail "the metrics lack $line: $(<metrics)"
  done
}

echo "the demonstration, three times on the same directory"
demonstrate "Opened the event store in ./event_store: recovered 0 events in 0 segments, the next event id is 0
Opened Alice's account with \$1000
Deposited \$500
Withdrew \$200
Alice's balance: \$1300
Alice's balance as of event 1: \$1500
Alice's balance when this run began: no account yet
All balances: Alice \$1300" "0 account_opened Alice \$1000
1 money_deposited Alice \$500
2 money_withdrawn Alice \$200"
measured 'nori_store_events_total 3' 'nori_store_events_by_type_total{type="account_opened"} 1' \
  'nori_commands_total{outcome="accepted"} 2' 'nori_projection_events_total{name="balances"} 3'
"$program" "a bank" >output
grep -qxF "Opened the event store in a bank: recovered 0 events in 0 segments, the next event id is 0" \
  output || fail "another directory: $(<output)"
demonstrate "Opened the event store in ./event_store: recovered 3 events in 1 segment, the next event id is 3
Alice has an account with \$1300
Deposited \$500
Withdrew \$200
Alice's balance: \$1600
Alice's balance as of event 3: \$1800
Alice's balance when this run began: \$1300
All balances: Alice \$1600" "3 money_deposited Alice \$500
4 money_withdrawn Alice \$200"
# The view went on from where it was saved.
measured 'nori_projection_events_total{name="balances"} 2' 'nori_wal_recovered_records 3'
third="Opened the event store in ./event_store: recovered 5 events in 1 segment, the next event id is 5
Alice has an account with \$1600
Deposited \$500
Withdrew \$200
Alice's balance: \$1900
Alice's balance as of event 5: \$2100
Alice's balance when this run began: \$1600
All balances: Alice \$1900"
durable="5 money_deposited Alice \$500
6 money_withdrawn Alice \$200"
cp -a event_store without
cp -a event_store spoilt
demonstrate "$third" "$durable"
# The second run took a snapshot of its five events, so that one event at most had to be read.
measured 'nori_snapshots_loaded_total 3' 'nori_command_events_read_sum 1'

echo "snapshots and the saved view are not believed"
rm -r without/snapshots without/projection-balances
demonstrate "${third/.\/event_store/without}" "$durable" without
measured 'nori_projection_events_total{name="balances"} 7'
! grep -q '^nori_snapshots_loaded_total' metrics || fail "a lost snapshot was loaded"
for file in spoilt/snapshots/*.0 spoilt/projection-balances; do
  size=$(stat -c %s "$file")
  printf X | dd of="$file" bs=1 seek=$((size / 2)) conv=notrunc status=none
done
demonstrate "${third/.\/event_store/spoilt}" "$durable" spoilt
measured 'nori_snapshots_ignored_total{reason="damaged"} 3'

echo "version 1"
expect 0 '0 account-Alice/0 account_opened version 1 {"amount":{"cents":100000}}
1 account-Alice/1 money_deposited version 2 {"amount":{"cents":50000},"currency":"USD"}
2 account-Alice/2 money_withdrawn version 2 {"amount":{"cents":20000},"currency":"USD"}' \
  "a bank" stored
expect 0 "0 account_opened Alice \$1000
1 money_deposited Alice \$500
2 money_withdrawn Alice \$200" "a bank" events
expect 0 "Alice's balance: \$1000" "a bank" balance Alice 0
expect 0 "Alice's balance: \$1301" "a bank" deposit Alice 1

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

echo "time travel, and all balances"
expect 0 "alice's balance: \$1000" bank balance alice 0
expect 0 "alice's balance: \$1500" bank balance alice 1
expect 1 "No such account" bank balance bob 1
expect 0 "bob's balance: \$2000" bank balance bob 2
expect 0 "bob's balance: \$2500" bank balance bob 99
before=$(date +@%s.%N)
expect 0 "bob's balance: \$2501" bank deposit bob 1
expect 0 "bob's balance: \$2500" bank balance bob "$before"
expect 0 "bob's balance: \$2501" bank balance bob "$(date +@%s.%N)"
expect 0 "bob's balance: \$2501" bank balance bob @4000000000
expect 1 "No such account" bank balance bob @1000000000
expect 0 "alice: \$1500
bob: \$2501
charlie: \$0" bank balances

echo "another currency"
expect 0 "eve's balance: 10 EUR" bank open eve 10 EUR
expect 0 "eve's balance: 12.50 EUR" bank deposit eve 2.50
expect 1 "Insufficient balance" bank withdraw eve 13
expect 0 "eve's balance: 0 EUR" bank withdraw eve 12.50
"$program" bank events | tail -n 1 | grep -qxF "10 money_withdrawn eve 12.50 EUR" || fail "events"

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
refuse 2 "*balance takes NAME*" bank balance alice 1 2
refuse 2 "*balances takes nothing more*" bank balances alice
for when in bob -1 1.5 @ @1.5 @x @99999999999 18446744073709551616; do
  refuse 2 "*WHEN is the id of an event*" bank balance alice "$when"
done
for currency in "" eur EURO E1R; do
  refuse 2 "*CURRENCY is three capital letters*" bank open frank 1 "$currency"
done
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
find damaged -type f ! -name lock -exec sha256sum {} + >before
refuse 3 "*the events in damaged are damaged; nothing was changed:*offset*" damaged deposit dave 1
refuse 3 "*the events in damaged are damaged; nothing was changed:*offset*" damaged balance dave
refuse 3 "*the events in damaged are damaged; nothing was changed:*offset*" damaged
sha256sum --quiet -c before || fail "a damaged directory was changed"

echo "another program's log"
other=$(dirname "$program")/01_first_steps
if [[ -x $other ]]; then
  "$other" other >/dev/null
  refuse 3 "*the log holds a record that is no event*" other balance order-1
else
  echo "SKIP: 01_first_steps is not built"
fi

echo "standard output that can't be written to"
if [[ -c /dev/full ]]; then
  status=0
  "$program" bank events >/dev/full 2>errors || status=$?
  [[ $status == 3 ]] || fail "status $status with a full standard output"
fi
