#!/bin/sh
# Starts the server, a replica of nobody. Passwords go from mounted Secrets into a file
# in memory: they are in no ConfigMap, argument or variable. The file is called after
# the pod, so that a server says which one it is in.
# Only what the shell has built in is used: images may hold nothing else.
set -eu
umask 077

# The first line of a file.
entry=
read_entry() {
	entry=
	IFS= read -r entry <"$1" || [ -n "$entry" ] || {
		echo "the entry '${1##*/}' of the Secret or ConfigMap at ${1%/*} is empty or cannot be read" >&2
		exit 1
	}
}

read_entry /etc/redis-auth/password
password=$entry
read_entry /etc/redis-operator/operator-hash
operator=$entry
read_entry /etc/redis-operator/probe-hash
probe=$entry
read_entry /etc/redis-operator/health-password
health=$entry

# Between double quotes the server takes \ and " only when escaped.
quoted=
rest=$password
while [ -n "$rest" ]; do
	character=${rest%"${rest#?}"}
	rest=${rest#?}
	case $character in
	\\ | \") quoted="$quoted\\$character" ;;
	*) quoted="$quoted$character" ;;
	esac
done

config=/run/redis/$POD_UID.conf
{
	echo 'include /etc/redis/redis.conf'
	# Clients and people read names that outlive a pod's address.
	printf 'replica-announce-ip %s.%s.%s.svc\n' "$POD_NAME" "$HEADLESS_SERVICE" "$POD_NAMESPACE"
	read_entry /etc/redis/operator.acl
	printf 'user operlet reset on #%s %s\n' "$operator" "$entry"
	read_entry /etc/redis/probe.acl
	printf 'user operlet-probe reset on #%s %s\n' "$probe" "$entry"
	read_entry /etc/redis/health.acl
	printf 'user operlet-health reset on ">%s" %s\n' "$health" "$entry"
	read_entry /etc/redis/default.acl
	printf 'user default reset on ">%s" %s\n' "$quoted" "$entry"
} >"$config"

# For the exec probes.
printf '%s\n' "$health" >/run/redis/health
: >/run/redis/asked

if command -v redis-server >/dev/null; then
	exec redis-server "$config"
fi
exec valkey-server "$config"
