#!/usr/bin/env bash
# node_init.sh NAME DIR: process 1 of a node. Gives the node its own directory
# behind each ordinary path, then sleeps; the node lives as long as it does.
set -euo pipefail

NAME=$1
DIR=$2

# own DIRECTORY PATH: what the node finds at PATH.
own() {
  mkdir -p "$DIR/$1" "$2"
  mount --bind "$DIR/$1" "$2"
}

# kubelet writes three settings that belong to the whole machine. Let it find
# them as it wants them, in plain files.
shadow_sysctl() {
  mkdir -p "$DIR/sysctl"
  echo "$2" >"$DIR/sysctl/${1##*/}"
  mount --bind "$DIR/sysctl/${1##*/}" "/proc/sys/$1"
}

hostname "$NAME"
own containerd-state /run/containerd
own containerd-root /var/lib/containerd
own kubelet /var/lib/kubelet
own cni /var/lib/cni
own netns /run/netns
own pod-logs /var/log/pods
own container-logs /var/log/containers
own net.d /etc/cni/net.d
own certs.d /etc/containerd/certs.d
own manifests /etc/kubernetes/manifests
own gatehouse-agent /var/lib/gatehouse-agent
own tpm /run/gatehouse-tpm
# In place of securityfs: the measurement logs of the node's own TPM.
own securityfs /sys/kernel/security
shadow_sysctl vm/overcommit_memory 1
shadow_sysctl kernel/panic 10
shadow_sysctl kernel/panic_on_oops 1
# kubelet and containerd pass mounts on to containers.
mount --make-rshared /

touch "$DIR/ready"
exec tini -s -- sleep infinity
