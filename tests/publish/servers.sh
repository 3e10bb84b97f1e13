#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# For the scripts here: they build what they need, and have servers in a temporary folder, $work, of
# which nothing is left behind. $dir is the part of it that is used now.
set -u
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
top=$(readlink -f "$here/../..")
build=$top/build
PATH=$build/publish:$build/userspace:$PATH
unset MAKEFLAGS MAKELEVEL NATS_URL NATS_CREDS NATS_CA NATS_CERT NATS_KEY

nats_server=$("$here/server") || exit
make -s -C "$top" userspace >&2 && make -s -C "$here" O="$build" >&2 || exit

work=$(mktemp -d)
dir=$work
declare -A port monitor pid

# What this shell has started is killed; a server that isn't its child any more, too.
end_all() {
	local all
	mapfile -t all < <(jobs -p)
	[ ${#all[@]} = 0 ] || kill -9 "${all[@]}" 2>/dev/null
	wait 2>/dev/null
}
trap 'end_all; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# eventually SECONDS COMMAND ...: it succeeds, within that time
eventually() {
	local end=$((SECONDS + $1))
	shift
	until "$@" 2>"$dir/tried"; do
		if [ $SECONDS -gt $end ]; then
			echo "never came true: $*" >&2
			tail -n 3 "$dir/tried" >&2
			return 1
		fi
		sleep 0.1
	done
}

# configure NAME [LINES]: a server that serve can start, any number of times; LINES are for its
# configuration
configure() {
	read -r port["$1"] monitor["$1"] < <(raw ports 2 | xargs)
	mkdir -p "$dir/$1"
	cat >"$dir/$1.conf" <<-END
		server_name: $1
		listen: "127.0.0.1:${port[$1]}"
		http: "127.0.0.1:${monitor[$1]}"
		jetstream { store_dir: "$dir/$1" }
		${2-}
	END
}

serve() {
	"$nats_server" -c "$dir/$1.conf" -l "$dir/$1.log" 2>/dev/null &
	pid[$1]=$!
}

crash() {
	kill -9 "${pid[$1]}"
	wait "${pid[$1]}" 2>/dev/null || true
}

url_of() { echo "nats://127.0.0.1:${port[$1]}"; }

# ask WHAT [JSON]: of JetStream's own interface
ask() { raw request "$url" "\$JS.API.$1" "${2-}"; }

answers() { ask INFO >/dev/null 2>&1; }

# one_server [LINES]: which is there when this returns, at $url
one_server() {
	configure one "${1-}"
	url=$(url_of one)
	serve one
	eventually 20 answers
}

# three_servers: n1 n2 n3, a cluster
three_servers() {
	local name routes='' routed i=0
	mapfile -t routed < <(raw ports 3)
	for i in 0 1 2; do routes="$routes, \"nats://127.0.0.1:${routed[i]}\""; done
	for i in 0 1 2; do
		name=n$((i + 1))
		configure $name "cluster { name: acq, listen: \"127.0.0.1:${routed[i]}\", routes: [ ${routes#,} ] }"
		serve $name
	done
	url=$(url_of n1),127.0.0.1:${port[n2]},127.0.0.1:${port[n3]}
	eventually 60 answers
}

# stream [FIELDS [NAME [SUBJECTS]]]: make one
stream() {
	ask "STREAM.CREATE.${2-acq}" "{ \"name\": \"${2-acq}\", \"subjects\": [ \"${3-acq.>}\" ],
		\"storage\": \"file\", \"retention\": \"limits\", \"discard\": \"new\",
		${1-\"num_replicas\": 1} }" >/dev/null
}

# state FIELD [STREAM]: a number of the stream's
state() { ask "STREAM.INFO.${2-acq}" | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
