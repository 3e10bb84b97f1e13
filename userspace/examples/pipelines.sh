#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# pipelines.sh - frames into programs that know nothing of acq
#
# acqread's exit status tells of losses, and pipefail makes it the pipeline's.
set -eu -o pipefail

# how high is the tone?
acqread -n 1000 -f wav | sox -t wav - -n stat

# what does it look like?
acqread -n 32 -f csv | gnuplot -e 'set terminal dumb 79 20; set key off; set datafile separator ",";
	plot "<cat" skip 1 using 0:5 with lines'

# the channel's sign on a logic analyzer: when does it rise?
acqread -n 200 -f vcd |
	sigrok-cli -I vcd -i - -P 'timing:data=ch0[15]:edge=rising' -A timing=time
