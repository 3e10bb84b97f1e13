// SPDX-License-Identifier: GPL-2.0-only
/*
 * The headers by themselves, in C and C++, and what the library exports. Needs
 * g++, nm, and acqread's folder in the PATH, for the library beside it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "suite.h"

#define INCLUDE "-I../../include/uapi -I../../include"

static const char program[] = "#include <acq.h>\n"
			      "#include <fcntl.h>\n"
			      "int main() {\n"
			      "	struct acq *acq;\n"
			      "	struct acq_walk walk = {};\n"
			      "	struct acq_info info = {};\n"
			      "	info.size = sizeof(info);\n"
			      "	if (acq_open(&acq, \"/dev/null\", O_RDONLY) == 0)\n"
			      "		return acq_get_info(acq, &info);\n"
			      "	return acq_frame_next(&walk) != 0;\n"
			      "}\n";

static int shell(const char *command, const char *input)
{
	FILE *pipe = popen(command, "w");

	ck_assert_ptr_nonnull(pipe);
	fputs(input, pipe);
	return pclose(pipe);
}

static void assert_compiles(const char *compiler)
{
	char command[512];

	snprintf(command, sizeof(command), "%s -Wall -Wextra -Werror " INCLUDE " -fsyntax-only -",
		 compiler);
	ck_assert_msg(!shell(command, program), "%s", command);
}

START_TEST(compiles)
{
	assert_compiles("g++ -x c++ -std=c++11");
	assert_compiles("g++ -x c++ -std=c++20");
	assert_compiles("cc -x c -std=gnu11");
	assert_compiles("cc -x c -std=gnu99");
}
END_TEST

static const char link_and_run[] = "d=$(dirname $(command -v acqread)); t=$(mktemp -d);"
				   "g++ -x c++ " INCLUDE " -o $t/a - -x none $d/libacq.so.1 &&\n"
				   "LD_LIBRARY_PATH=$d $t/a; s=$?; rm -r $t; exit $s";

START_TEST(links_and_runs)
{
	ck_assert_int_eq(shell(link_and_run, program), 0);
}
END_TEST

static const char compare_symbols[] =
	"cat >/dev/null; d=$(dirname $(command -v acqread)); t=$(mktemp -d);"
	"nm -D --defined-only $d/libacq.so.1 | sed -n 's/.* T //p' | sort >$t/have;"
	"grep -A2 '^ACQ_API' ../../include/acq.h | tr -d '*\\n' | grep -o '[a-z_]*(' |\n"
	"sed 's/(/@@LIBACQ_1/' | grep ^acq_ | sort >$t/want;"
	"test -s $t/want && diff $t/want $t/have; s=$?; rm -r $t; exit $s";

/* Exactly the header's functions, by the map's version. */
START_TEST(exports)
{
	ck_assert_int_eq(shell(compare_symbols, ""), 0);
}
END_TEST

int main(void)
{
	const struct TTest *tests[] = {
		compiles,
		links_and_runs,
		exports,
		NULL,
	};

	return run_suite("cxx", tests);
}
