# SPDX-License-Identifier: GPL-2.0-only
# The sweeps of build/bench.csv, as a picture: gnuplot -e "csv='...'; svg='...'"
set datafile separator ','
# rows of other sweeps don't break a line
set datafile missing NaN
set terminal svg size 1000,760 dynamic font 'sans,11' background '#ffffff'
set output svg
set multiplot layout 2,2 title 'acq and its peers: executed instructions, one boot of a guest'
set grid ytics lc rgb '#dddddd'
set style data linespoints
set pointsize 0.6
set logscale x 4
set key top right font ',9'
set offsets graph 0.02, graph 0.02

# of the columns of a row: is it of the sweep?
is(c, m, h, b, p) = strcol(1) eq c && strcol(2) eq m && strcol(3) eq h && $4 == b && strcol(8) eq p
acq(c, m, h, b, p) = is(c, m, h, b, p) ? $6 : NaN
peer(c, m, h, b, p) = is(c, m, h, b, p) ? $7 : NaN

set logscale y
set title 'a 64-byte frame that is there'
set xlabel 'frames of a read'
set ylabel 'instructions a frame'
plot csv every ::1 using 5:(acq('batch', 'read', 'thread', 64, 'pipe')) title 'acq read', \
	'' every ::1 using 5:(acq('batch', 'mmap copied', 'thread', 64, 'memcpy')) title 'acq mmap, copied', \
	'' every ::1 using 5:(peer('batch', 'read', 'thread', 64, 'pipe')) title 'pipe', \
	'' every ::1 using 5:(peer('batch', 'read', 'thread', 64, 'iio')) title 'IIO buffer', \
	'' every ::1 using 5:(peer('batch', 'read', 'thread', 64, 'comedi')) title 'Comedi read', \
	'' every ::1 using 5:(peer('batch', 'mmap copied', 'thread', 64, 'comedi mmap')) title 'Comedi mmap'

set title 'an event of one frame, to the program'
set xlabel 'watermark, frames'
set ylabel 'instructions an event'
plot csv every ::1 using 5:(acq('event', 'read', 'thread', 64, 'iio')) title 'acq, irq thread', \
	'' every ::1 using 5:(acq('event', 'read', 'workqueue', 64, 'iio')) title 'acq, workqueue', \
	'' every ::1 using 5:(acq('event', 'read', 'tasklet', 64, 'iio')) title 'acq, tasklet', \
	'' every ::1 using 5:(peer('event', 'read', 'thread', 64, 'iio')) title 'IIO buffer'

set title 'the whole path of a 64-byte frame'
set xlabel 'frames of an interrupt'
set ylabel 'instructions a frame'
plot csv every ::1 using 5:(acq('path', 'read', 'thread', 64, 'generate+memcpy+copy_to_user')) title 'acq read', \
	'' every ::1 using 5:(peer('path', 'read', 'thread', 64, 'generate+memcpy+copy_to_user')) title 'its bytes, made and copied twice', \
	'' every ::1 using 5:(acq('path', 'mmap', 'thread', 64, 'generate+memcpy+loop')) title 'acq mmap', \
	'' every ::1 using 5:(peer('path', 'mmap', 'thread', 64, 'generate+memcpy+loop')) title 'its bytes, made, copied, added up'

unset logscale y
set yrange [0:*]
set key bottom right
set title '256 frames for one more client'
set xlabel 'more clients'
set ylabel 'instructions an interrupt, for each'
plot csv every ::1 using 5:(acq('fan-out', 'streaming each', 'thread', 64, 'memcpy')) title 'acq, irq thread', \
	'' every ::1 using 5:(acq('fan-out', 'streaming each', 'tasklet', 64, 'memcpy')) title 'acq, tasklet', \
	'' every ::1 using 5:(peer('fan-out', 'streaming each', 'thread', 64, 'memcpy')) title 'memcpy of its bytes'
unset multiplot
