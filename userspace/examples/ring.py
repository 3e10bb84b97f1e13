#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""ring.py [FRAMES]: the mapped ring, with Python's standard library alone.

Polls when the ring is empty and takes the frames where they lie. Prints what the
examples in C print, and ends like them: with 0, with 1 if frames were lost or the
device is gone, or with 2.

Memory order: that of x86-64 is strong enough, and Python has no barriers to ask for
more. On other machines, read() the device instead, as read.c does: each read gives
whole frames, and unpack() does not care where they come from.
"""

import mmap
import os
import select
import signal
import struct
import sys

PRODUCER = struct.Struct("IIQIIQ")  # struct acq_producer
FRAME = struct.Struct("QQIIIHBB")  # struct acq_frame, before its data
VALUE = " BbHhIiB"  # of each enum acq_format
GAP, HW_OVERRUN = 1 << 1, 1 << 2  # enum acq_frame_flags


def map_ring(fd):
    """The positions out and in, each a list of one number, and where frame N lies."""
    page = mmap.PAGESIZE
    # the consumer page first: while it is mapped the ring keeps its size
    consumer = mmap.mmap(fd, page, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    producer = mmap.mmap(fd, page, prot=mmap.PROT_READ, offset=page)
    _, _, _, count, stride, offset = PRODUCER.unpack_from(producer)
    frames = mmap.mmap(fd, count * stride, prot=mmap.PROT_READ, offset=offset)
    # as numbers, which are loaded and stored at once, not byte by byte
    numbers = [memoryview(page).cast("I") for page in (consumer, producer)]
    return *numbers, lambda n: memoryview(frames)[n % count * stride :][:stride]


def unpack(frame):
    """Its number, time, flags and first value."""
    seq, time_ns, _, _, _, flags, form, _ = FRAME.unpack_from(frame)
    (value,) = struct.unpack_from(VALUE[form], frame, FRAME.size)
    return seq, time_ns, flags, value


def complain(words):
    print("ring.py:", words, file=sys.stderr)


def take(frame, last):
    """Show it; returns its number and time, and whether anything is missing before it."""
    seq, time_ns, flags, value = unpack(frame)
    began = last[1] if last else time_ns
    if flags & GAP:
        complain(f"{seq - last[0] - 1} frames lost before frame {seq}: the ring was full")
    if flags & HW_OVERRUN:
        complain(f"the hardware lost data before frame {seq}")
    print(f"{seq:10} {(time_ns - began) / 1e9:10.6f} {value:7}", flush=True)
    return (seq, began), bool(flags & (GAP | HW_OVERRUN))


def run(wanted):
    fd = os.open("/dev/acq", os.O_RDWR | os.O_CLOEXEC)
    consumer, producer, frame = map_ring(fd)
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    out, last, losses = consumer[0], None, 0
    while wanted:
        there = (producer[0] - out) % 2**32
        if not there:
            # The first call starts the hardware. With nothing to read, this is the end.
            events = poll.poll()[0][1]
            if not events & select.POLLIN:
                gone = events & select.POLLHUP
                complain("/dev/acq: " + ("the device is gone" if gone else "it does not start"))
                return 1
        for _ in range(min(there, wanted)):
            last, lost = take(frame(out), last)
            losses += lost
            wanted -= 1
            out = (out + 1) % 2**32
        # gives their room back, now that they were read
        consumer[0] = out
    return losses > 0


def main():
    for end in signal.SIGINT, signal.SIGPIPE:
        signal.signal(end, signal.SIG_DFL)
    argument = sys.argv[1] if len(sys.argv) > 1 else "20"
    if len(sys.argv) > 2 or not argument.isdecimal() or not int(argument):
        print("Usage: ring.py [FRAMES], which is 20", file=sys.stderr)
        return 2
    try:
        return run(int(argument))
    except FileNotFoundError:
        complain("/dev/acq: no such device; is its module loaded? try: sudo modprobe acq_sim")
    except OSError as error:
        complain(f"/dev/acq: {error.strerror}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
