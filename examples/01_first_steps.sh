#!/usr/bin/env bash
# What the first example prints, and prints again: 01_first_steps.sh PROGRAM EMPTY_DIRECTORY
set -euo pipefail
[[ $("$1" "$2") == $'0 records recovered\norder-1: paid' ]]
[[ $("$1" "$2") == $'1 records recovered\norder-1: paid\norder-1: paid' ]]
