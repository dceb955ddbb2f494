#!/bin/sh
# The first process of a node: covers what must not be shared with this machine
# and keeps containerd, the kubelet and kube-proxy running, as systemd would.
# Killing it is a power cut: the kernel ends everything in its namespace.

for directory in /run $COVERED; do
	mkdir -p "$directory" && mount -t tmpfs -o mode=755 tmpfs "$directory" || exit 1
done
mkdir -p /run/netns /run/lock
echo 1 >/proc/sys/net/ipv4/ip_forward
if [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; then
	echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables
fi

# keep NAME COMMAND...: starts it again whenever it ends.
keep() {
	log="$LOGS/$NODE-$1.log"
	shift
	while :; do
		"$@" >>"$log" 2>&1
		echo "ended with $?, started again" >>"$log"
		sleep 1
	done
}

keep kube-proxy "$KUBERNETES" kube-proxy --config="$NODE_DIRECTORY/proxy.json" &
keep containerd containerd --config "$NODE_DIRECTORY/containerd.toml" &

socket="$NODE_DIRECTORY/containerd.sock"
until ctr --address "$socket" version >/dev/null 2>&1; do sleep 0.1; done
for directory in $IMAGES; do
	for archive in "$directory"/*.tar; do
		mark="$NODE_DIRECTORY/imported/${archive##*/}"
		if [ -e "$archive" ] && [ ! -e "$mark" ]; then
			ctr --address "$socket" --namespace k8s.io image import --local "$archive" >/dev/null && : >"$mark"
		fi
	done
done
: >"$NODE_DIRECTORY/started"

keep kubelet "$KUBERNETES" kubelet \
	--config="$NODE_DIRECTORY/kubelet.json" \
	--kubeconfig="$KUBELET_KUBECONFIG" \
	--hostname-override="$NODE" \
	--node-ip="$NODE_ADDRESS" \
	--root-dir="$NODE_DIRECTORY/kubelet" &

# Orphans of the whole node end up here and are reaped.
while :; do
	wait
	sleep 1
done
