// SPDX-License-Identifier: GPL-2.0-only
/* The files that acqread writes: several in turn, and those it could not finish. */
#include "run.h"
#include "suite.h"

START_TEST(names_have_the_date)
{
	size_t bytes;
	char *capture = begin(10, &bytes);

	assert_run("before=$(date +%F); acqread -qq -o 'run-%F-100%%.acq' run.acq\n"
		   "cmp run.acq run-$before-100%.acq || cmp run.acq run-$(date +%F)-100%.acq",
		   0, "");
	assert_run("acqread -o '' run.acq 2>&1", 1, "acqread: : No such file");
	end(capture);
}
END_TEST

/* What is there stays while there is nothing to put into it. */
START_TEST(output_is_spared)
{
	size_t bytes;
	char *capture = begin(10, &bytes);

	assert_run("cp run.acq kept; acqread -o ./run.acq run.acq 2>&1", 2,
		   "acqread: ./run.acq: is what is read, too, and would be lost; use another");
	assert_run("ln run.acq link; acqread -f raw -o link - <run.acq 2>&1", 2,
		   "acqread: link: is what is read, too");
	assert_run("acqread -o run.acq -d none 2>&1", 1, "acqread: none: ");
	assert_run("acqread -o run.acq none.acq 2>&1", 1, "acqread: none.acq: No such file");
	assert_run("cmp run.acq kept", 0, "");
	assert_run("acqread -o /dev/null - </dev/null 2>&1", 0, "acqread: 0 frames");
	end(capture);
}
END_TEST

/* No frame is missing, none is there twice, and each file stands alone. */
START_TEST(rotation_by_size)
{
	size_t bytes;
	char *capture = begin(1000, &bytes);

	assert_run("acqread -o part.acq --rotate-size 10k run.acq 2>&1", 0,
		   "1000 frames, 48000 bytes, 0 lost");
	assert_run("ls part*", 0, "part-1.acq\npart-2.acq\npart-3.acq\npart-4.acq\npart.acq\n");
	assert_run("cat part.acq part-[1234].acq | cmp - run.acq", 0, "");
	assert_run("stat -c %s part.acq part-4.acq", 0, "10272\n6912\n");
	assert_run("acqread -q part-1.acq 2>&1", 0, "214 frames, 10272 bytes, 0 lost");
	end(capture);
}
END_TEST

/* By the frames' time, so that it does not matter when they are read. */
START_TEST(rotation_by_time)
{
	size_t bytes;
	char *capture = begin(1000, &bytes);

	assert_run("mkdir d; acqread -qq -f raw -o d/part%Z --rotate-time 300ms run.acq", 0, "");
	assert_run("cd d; z=$(date +%Z); stat -c %s part$z part$z-[123]", 0,
		   "14400\n14400\n14400\n4800\n");
	assert_run("cd d; z=$(date +%Z); cat part$z part$z-[123] | cmp - ../run.acq", 0, "");
	assert_run("acqread -qq -o p.csv --rotate-time 0.5 --rotate-size 20k run.acq; wc -l p*", 0,
		   " 4006 total");
	end(capture);
}
END_TEST

/* Each with a head of its own. */
START_TEST(rotation_of_all_formats)
{
	size_t bytes;
	char *capture = begin(1000, &bytes);

	assert_run("acqread -qq -o p.csv --rotate-time 500ms run.acq; wc -l p.csv p-1.csv", 0,
		   "  2001 p.csv\n  2001 p-1.csv\n");
	assert_run("head -n 2 p-1.csv", 0,
		   "seq,timestamp_ns,flags,scan,ch0,ch1\n500,1500000000,,0,");
	assert_run("acqread -qq -o p.wav --rotate-time 500ms run.acq; soxi -s p.wav p-1.wav", 0,
		   "2000\n2000\n");
	assert_run("acqread -qq -o p.npy --rotate-time 500ms run.acq", 0, "");
	assert_run("/usr/bin/python3 -c 'import numpy as np\n"
		   "print(*(np.load(f)[0] for f in (\"p.npy\", \"p-1.npy\")), sep=\"\")'",
		   0, "[0 1][4000 4001]\n");
	assert_run("acqread -qq -o p.vcd --rotate-time 500ms run.acq; tail -n 1 p.vcd p-1.vcd", 0,
		   "==> p.vcd <==\n#50000\n\n==> p-1.vcd <==\n#50000\n");
	assert_run("acqread -qq --clock relative -F %t -o p.txt --rotate-time 500ms run.acq;"
		   "head -n 1 p-1.txt",
		   0, "500000000\n");
	end(capture);
}
END_TEST

/* What an earlier run has left stays. */
START_TEST(rotation_overwrites_nothing)
{
	size_t bytes;
	char *capture = begin(1000, &bytes);

	assert_run("acqread -qq -n 300 -o p.acq --rotate-size 1G run.acq; cp p.acq kept", 0, "");
	assert_run("acqread -qq -o p.acq --rotate-size 32k run.acq; cmp p.acq kept", 0, "");
	assert_run("cat p-1.acq p-2.acq | cmp - run.acq; ls p*", 0, "p-1.acq\np-2.acq\np.acq\n");
	assert_run("acqread -qq -o p.acq run.acq; cmp p.acq run.acq", 0, "");
	assert_run("ln -s /dev/null null; acqread -o null --rotate-size 1 run.acq 2>&1", 1,
		   "null: not a file that can be rotated");
	assert_run("acqread -v -o q.acq --rotate-size 32k run.acq 2>&1", 0,
		   "acqread: q.acq: begun\nacqread: q-1.acq: begun\n");
	assert_run("acqread -o no/p.acq --rotate-size 1 run.acq 2>&1", 1,
		   "acqread: no/p.acq: No such file or directory\n");
	end(capture);
}
END_TEST

START_TEST(bad_rotation)
{
	assert_run("acqread --rotate-size 1 2>&1", 2,
		   "--rotate-size and --rotate-time need --output");
	assert_run("acqread --rotate-time 1 -o - 2>&1", 2, "need --output FILE");
	assert_run("acqread --rotate-size 0 -o x 2>&1", 2,
		   "--rotate-size: \"0\" is not a size like");
	assert_run("acqread --rotate-size 1kk -o x 2>&1", 2, "is not a size");
	assert_run("acqread --rotate-size 1x -o x 2>&1", 2, "is not a size");
	assert_run("acqread --rotate-size k -o x 2>&1", 2, "is not a size");
	assert_run("acqread --rotate-size 16777216T -o x 2>&1", 2, "is not a size");
	assert_run("acqread --rotate-time 0 -o x 2>&1", 2, "--rotate-time: \"0\" is not a time");
}
END_TEST

/*
 * A reader of a pipe gets n frames and a part of one, and no more; it is killed when
 * its file has all that it is to have.
 */
#define KILLED(file, until) \
	"rm -f f; mkfifo f; (head -c 47990 run.acq; exec sleep 60) >f & w=$!\n" \
	"acqread -qq -o " file " f & r=$!\n" \
	"for i in $(seq 500); do " until " && break; sleep 0.02; done\n" \
	"kill -9 $r; wait $r; kill $w\n"
#define BYTES(file, bytes) "[ $(stat -c %s " file " 2>/dev/null || echo 0) -ge " bytes " ]"

START_TEST(killed)
{
	size_t bytes;
	char *capture = begin(1000, &bytes);

	run(KILLED("k.acq", BYTES("k.acq", "47952")));
	assert_run("acqread -q k.acq 2>&1", 0, "acqread: 999 frames, 47952 bytes, 0 lost");
	run(KILLED("k.wav", BYTES("k.wav", "15984")));
	assert_run("soxi -s k.wav; sox k.wav -t raw - 2>&1 | tail -c 4 | od -An -tu2", 0,
		   "3996\n  7990  7991\n");
	run(KILLED("k.npy", BYTES("k.npy", "16112")));
	assert_run("/usr/bin/python3 -c 'import numpy as np\n"
		   "a = np.load(\"k.npy\", mmap_mode=\"r\"); print(a.shape, a[-1])'",
		   0, "(3996, 2) [7990 7991]\n");
	run(KILLED("k.vcd", "grep -q '^#99875$' k.vcd"));
	assert_run("sigrok-cli -I vcd -i k.vcd --show", 0, "Logic sample count: 99875\n");
	run(KILLED("k.csv", BYTES("k.csv", "90000")));
	assert_run("tail -n 1 k.csv", 0, "998,1998000000,,3,7990,7991\n");
	end(capture);
}
END_TEST

/* Where the machine stopped, a file ends anywhere, or its last blocks were never written. */
START_TEST(reset)
{
	size_t bytes, cut;
	char *capture = begin(12, &bytes);

	for (cut = 10 * CAPTURE_STRIDE; cut < 11 * CAPTURE_STRIDE; cut++) {
		put_file("run.acq", capture, cut);
		assert_run("acqread -q run.acq 2>&1", 0, "acqread: 10 frames, 480 bytes, 0 lost");
	}
	memset(capture + 10 * CAPTURE_STRIDE, 0, 2 * CAPTURE_STRIDE);
	put_file("run.acq", capture, bytes);
	assert_run("acqread -q run.acq 2>&1", 1, "acqread: run.acq: 72 bytes were no frames\n");
	assert_run("acqread -q run.acq 2>&1", 1, "acqread: 10 frames, 480 bytes, 0 lost");
	end(capture);
}
END_TEST

int main(void)
{
	const struct TTest *tests[] = {
		names_have_the_date,
		output_is_spared,
		rotation_by_size,
		rotation_by_time,
		rotation_of_all_formats,
		rotation_overwrites_nothing,
		bad_rotation,
		killed,
		reset,
		NULL,
	};

	return run_suite("files", tests);
}
