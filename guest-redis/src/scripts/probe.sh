#!/bin/sh
# Says how the server is, as a user that may do nothing else. Its password travels in
# the environment of the client, never in its arguments.
# Only what the shell has built in is used: images may hold nothing else.
set -u

# Whoever ends this script for taking too long waits until nobody holds its output any
# more. A client that waits for a frozen server outlives the script, and would.
exec 2>/dev/null

# The client of Redis reads the one variable, that of Valkey either.
REDISCLI_AUTH=
IFS= read -r REDISCLI_AUTH </run/redis/health || [ -n "$REDISCLI_AUTH" ] || {
	# Whoever cannot ask does not say that a server is dead.
	[ "$1" = live ]
	exit
}
export REDISCLI_AUTH

client=redis-cli
command -v redis-cli >/dev/null || client=valkey-cli

ask() {
	if [ -r /etc/redis-tls/ca.crt ]; then
		# It speaks to itself. A certificate that is about to be renewed is no reason to end a server.
		set -- --tls --insecure "$@"
	fi
	"$client" -h 127.0.0.1 -p 6379 --user operlet-health --no-auth-warning "$@"
}

case $1 in
started)
	# The run id is what the container leaves behind: whoever finds it knows that this
	# very process has ended.
	reply=$(ask INFO server)
	case $reply in
	*run_id:*)
		run=${reply##*run_id:}
		run=${run%"${run#????????????????????????????????????????}"}
		printf %s "$run" >/dev/termination-log && exit 0
		;;
	esac
	echo "the server does not answer"
	;;
live)
	IFS= read -r wanted </etc/redis/liveness || wanted=on
	[ "$wanted" = off ] && exit 0
	# Since when it is asked, in seconds since the machine was started.
	IFS=' .' read -r now _ </proc/uptime
	printf '%s\n' "$now" >/run/redis/asked
	# Whoever does not answer lets wait until this script is ended. What fails at once says
	# nothing: there may be no room for a process, or for one more client.
	trap 'exit 0' EXIT
	ask PING >/dev/null
	: >/run/redis/asked
	exit 0
	;;
ready)
	reply=$(printf 'PING\nINFO replication\n' | ask)
	case $reply in
	PONG*role:master*) exit 0 ;;
	PONG*master_link_status:up*) exit 0 ;;
	PONG*master_link_down_since_seconds:-*) echo "it has never followed a primary" ;;
	PONG*master_link_down_since_seconds:*)
		seconds=${reply##*master_link_down_since_seconds:}
		seconds=${seconds%%[!0-9]*}
		[ "$seconds" -lt 60 ] && exit 0
		echo "the link to the primary has been down for $seconds seconds"
		;;
	PONG*) echo "the link to the primary is down" ;;
	LOADING*) echo "the server is loading its data" ;;
	*) echo "the server does not answer PING with PONG" ;;
	esac
	;;
handed-over)
	# Waits until another is the primary, or there is nobody to hand over to. One that
	# is ended because it left a probe unanswered for all of its time hands nothing over.
	seconds=$2
	if IFS= read -r asked </run/redis/asked; then
		IFS=' .' read -r now _ </proc/uptime
		[ "$((now - asked))" -ge "$3" ] && exit 0
	fi
	ask -r "$((seconds * 5))" -i 0.2 INFO replication | while IFS= read -r line; do
		case $line in
		role:slave* | connected_slaves:0*) exit 0 ;;
		esac
	done
	exit 0
	;;
esac
exit 1
