#!/bin/sh
# Says whether the server is alive or ready. The password travels in the environment
# of the client, never in its arguments.
set -u

# The client of Redis reads the one variable, that of Valkey either.
REDISCLI_AUTH=
IFS= read -r REDISCLI_AUTH </run/redis/password || [ -n "$REDISCLI_AUTH" ] || exit 1
export REDISCLI_AUTH

client=redis-cli
command -v redis-cli >/dev/null || client=valkey-cli

case $1 in
live)
	# Any reply is one of a live server: it may be loading, or busy with a script.
	reply=$(echo PING | "$client" -h 127.0.0.1 -p 6379)
	[ -n "$reply" ] && exit 0
	echo "the server does not answer"
	;;
ready)
	reply=$(printf 'PING\nINFO replication\n' | "$client" -h 127.0.0.1 -p 6379)
	case $reply in
	PONG*role:master*) exit 0 ;;
	PONG*master_link_status:up*) exit 0 ;;
	PONG*) echo "the link to the primary is down" ;;
	LOADING*) echo "the server is loading its data" ;;
	*) echo "the server does not answer PING with PONG" ;;
	esac
	;;
esac
exit 1
