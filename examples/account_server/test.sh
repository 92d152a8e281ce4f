#!/usr/bin/env bash
# What README.md shows, with curl; test/account_server has the rest. test.sh PROGRAM EMPTY_DIRECTORY
set -euo pipefail

program=$1
cd "$2"
if ! command -v curl >/dev/null; then
  echo "SKIP: curl is not there"
  exit 0
fi

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

mkfifo urls
"$program" bank --port 0 >urls 2>log &
server=$!
trap 'kill -9 "$server" 2>/dev/null || true' EXIT
read -r url <urls
url=${url%/}
token=$(<bank/token)

# post KEY PATH BODY
post() {
  curl -sS "$url$2" -H "Authorization: Bearer $token" -H "Content-Type: application/json" \
    -H "Idempotency-Key: $1" -d "$3"
}
# has TEXT PART
has() { [[ $1 == *"$2"* ]] || fail "$1 does not have $2"; }

has "$(post 1 /accounts '{"account":"ann"}')" '"balance":0'
has "$(post 2 /accounts '{"account":"bob"}')" '"balance":0'
has "$(post 3 /accounts/ann/deposit '{"amount":500}')" '"balance":500'
has "$(post 3 /accounts/ann/deposit '{"amount":500}')" '"repeated":true'
has "$(post 4 /accounts/ann/withdraw '{"amount":600}')" '"error":"insufficient_balance"'
has "$(post 5 /transfers '{"from":"ann","to":"bob","amount":200}')" '"balance":300'
has "$(curl -sS "$url/accounts/ann")" '"balance":300'
has "$(curl -sS "$url/accounts/ann?revision=1")" '"balance":500'
has "$(curl -sS "$url/accounts/ann/history?limit=1")" '"next":1'
has "$(curl -sS "$url/balances?at_least=4")" '"total":500'
has "$(curl -sS "$url/health")" '"status":"ok"'
has "$(curl -sS "$url/metrics")" 'account_server_commands_total{outcome="accepted"} 4'
has "$(curl -sS "$url/")" '<html'

: >events
curl -sSN "$url/events?account=bob" >events &
reader=$!
until [[ $(<events) == *caught_up* ]]; do sleep 0.05; done
kill -TERM "$server"
wait "$reader" || fail "the stream was not ended as it should be"
wait "$server" || fail "the server ended with $?"
has "$(<events)" 'event: transfer_received'
has "$(<events)" ': stopping'
