#!/bin/sh
# Starts the server. The password goes from the mounted Secret into a file in memory
# that redis.conf includes: it is in no ConfigMap, argument or variable.
# Only what the shell has built in is used: images may hold nothing else.
set -eu
umask 077

password=
IFS= read -r password </etc/redis-auth/password || [ -n "$password" ] || {
	echo "the Secret's entry 'password' is empty or cannot be read" >&2
	exit 1
}

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

{
	printf 'requirepass "%s"\n' "$quoted"
	printf 'masterauth "%s"\n' "$quoted"
	# Clients and people read names that outlive a pod's address.
	printf 'replica-announce-ip %s.%s.%s.svc\n' "$POD_NAME" "$HEADLESS_SERVICE" "$POD_NAMESPACE"
	if [ "$POD_NAME" != "$PRIMARY_POD" ]; then
		printf 'replicaof %s.%s 6379\n' "$PRIMARY_POD" "$HEADLESS_SERVICE"
	fi
} >/run/redis/instance.conf

# For the probes: the password that this server was started with, also after the
# Secret has changed.
printf '%s\n' "$password" >/run/redis/password

if command -v redis-server >/dev/null; then
	exec redis-server /etc/redis/redis.conf
fi
exec valkey-server /etc/redis/redis.conf
