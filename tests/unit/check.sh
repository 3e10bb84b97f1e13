#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# For the suites that are shell scripts: count checks, and say how many there were as Check does.
checks=0 failures=0

# check WORDS COMMAND ...: it succeeds; if not, say so and what it said. $work is a folder.
check() {
	local what=$1
	shift
	checks=$((checks + 1))
	# shellcheck disable=SC2154 # the suite sets it
	"$@" >"$work/out" 2>&1 && return
	failures=$((failures + 1))
	echo "$what:"
	tail -n 40 "$work/out"
}

# the last line, and the status of the suite
summary() {
	echo "$((100 * (checks - failures) / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
	[ $failures = 0 ]
}
