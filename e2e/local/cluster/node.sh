# shellcheck shell=bash disable=SC2034 # other files read what is set here
# A node: containerd, kubelet and kube-proxy at their ordinary paths, in
# namespaces of their own (network, mount, host name, IPC, pid), beneath those of
# the run. Process 1 of them is node_init.sh.

declare -A NODE_PID=()

node_dir() { echo "$STATE/node$1"; }
tpm_socket() { echo "$(node_dir "$1")/tpm/socket"; }
measurements() { echo "$(node_dir "$1")/securityfs"; }
manifests() { echo "$(node_dir "$1")/manifests"; } # of static pods

# in_node N CMD...
in_node() {
  local pid=${NODE_PID[$1]}
  shift
  nsenter -t "$pid" --mount --uts --ipc --net --pid "$@"
}

start_in_node() {
  local n=$1 name=$2
  shift 2
  start "node$n-$name" nsenter -t "${NODE_PID[$n]}" --mount --uts --ipc --net --pid "$@"
}

make_node() {
  local n=$1 dir
  dir=$(node_dir "$n")
  rm -rf "$dir/ready" "$dir/containerd-state" "$dir/netns" # what a reboot takes away
  mkdir -p "$dir"
  write_containerd_config "$n" "$dir"
  write_kubelet_config "$n" "$dir"
  write_kube_proxy_config "$n" "$dir"
  make_cgroup "$RUN_ID/node$n"
  start "node$n" unshare --mount --net --uts --ipc --pid --fork --kill-child --mount-proc \
    bash "$HERE/cluster/node_init.sh" "node$n" "$dir"
  wait_for 10 "namespaces of node$n" test -e "$dir/ready"
  NODE_PID[$n]=$(cat "/proc/${PIDS[node$n]}/task/${PIDS[node$n]}/children")
  NODE_PID[$n]=${NODE_PID[$n]// /}
  plug_in "$n"
  start_in_node "$n" containerd containerd -c "$dir/containerd.toml"
}

plug_in() {
  local n=$1
  ip link add "node$n" type veth peer name eth0 netns "${NODE_PID[$n]}"
  ip link set "node$n" master cluster0 up
  ip route replace "10.244.$n.0/24" via "$(node_ip "$n")"
  in_node "$n" sh -ec "
    ip link set lo up
    ip addr add $(node_ip "$n")/24 dev eth0
    ip link set eth0 up
    ip route add default via $CP_IP
    sysctl -qw net.ipv4.ip_forward=1"
}

start_kubelet() {
  local n=$1 dir
  dir=$(node_dir "$n")
  # kubelet asks a cloud's metadata service who it is, and retries for ten seconds
  # before it believes that there is none.
  start_in_node "$n" kubelet env AWS_EC2_METADATA_DISABLED=true kubelet --config="$dir/kubelet.yaml" --kubeconfig="$CONF/node$n.kubeconfig" \
    --hostname-override="node$n" --node-ip="$(node_ip "$n")" --root-dir=/var/lib/kubelet \
    --container-runtime=remote --container-runtime-endpoint=unix:///run/containerd/containerd.sock --v=1
  start_in_node "$n" kube-proxy kube-proxy --config="$dir/kube-proxy.yaml" --v=1
}

unplugged() { ! ip link show "node$1"; }

# power_off N: at once, with everything on it.
power_off() {
  local name
  stop "node$1" KILL
  for name in containerd kubelet kube-proxy; do stop "node$1-$name" KILL; done
  ip link delete "node$1" 2>/dev/null || true # the kernel takes its time with a namespace, and as long the name is taken
  eventually 10 unplugged "$1"
  eventually 10 remove_cgroup "$RUN_ID/node$1" # kubelet would look at each for a second and a half
}

node_is_ready() { K wait --for=condition=Ready "node/node$1" --timeout=0 ; }

write_containerd_config() {
  local n=$1 dir=$2
  mkdir -p "$dir/certs.d/$REGISTRY" "$dir/net.d"
  # restrict_oom_score_adj: inside of a container or a small VM nobody may lower
  # the score, and runc would fail on it.
  cat >"$dir/containerd.toml" <<T
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$REGISTRY/pause:3.2"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
T
  cat >"$dir/certs.d/$REGISTRY/hosts.toml" <<T
server = "http://$REGISTRY"
[host."http://$REGISTRY"]
  capabilities = ["pull", "resolve"]
T
  cat >"$dir/net.d/10-bridge.conflist" <<T
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.$n.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
T
}

write_kubelet_config() {
  local n=$1 dir=$2
  : >"$dir/resolv.conf"
  # The thresholds are those of a machine with little to spare: the node's disk is
  # the run's tmpfs.
  cat >"$dir/kubelet.yaml" <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $PKI/kubernetes-ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $PKI/node$n.crt
tlsPrivateKeyFile: $PKI/node$n.key
address: $(node_ip "$n")
healthzBindAddress: 127.0.0.1
cgroupDriver: cgroupfs
cgroupRoot: /$RUN_ID/node$n
enforceNodeAllocatable: [pods]
failSwapOn: false
resolvConf: $dir/resolv.conf
nodeStatusUpdateFrequency: 2s
syncFrequency: 5s
evictionHard: {memory.available: 50Mi, nodefs.available: 50Mi, imagefs.available: 50Mi}
imageGCHighThresholdPercent: 100
featureGates: {EphemeralContainers: true}
maxPods: 60
staticPodPath: /etc/kubernetes/manifests
fileCheckFrequency: 2s
Y
}

write_kube_proxy_config() {
  local n=$1 dir=$2
  # The conntrack limits belong to the machine; zero means hands off.
  cat >"$dir/kube-proxy.yaml" <<Y
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
bindAddress: $(node_ip "$n")
hostnameOverride: node$n
clientConnection: {kubeconfig: $CONF/kube-proxy.kubeconfig}
mode: iptables
clusterCIDR: $POD_CIDR
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
Y
}

# register_again N: the Node object is deleted; kubelet, which registers when it
# starts, makes a new one.
register_again() {
  local n=$1 name
  for name in kubelet kube-proxy; do
    in_node "$n" pkill -x $name # not nsenter, which does not pass a signal on
    stop "node$n-$name"
  done
  K delete node "node$n"
  start_kubelet "$n"
  eventually 60 node_is_ready "$n" || return 1
  K label node "node$n" gatehouse-e2e/agent=yes
}

# replace_machine N: another one, with a TPM and disks of its own, under the old name.
replace_machine() {
  local n=$1
  power_off "$n"
  stop "tpm$n"
  K delete node "node$n"
  manufacture_tpm "$n" >>"$LOGS/job-tpms.log"
  rm -rf "$(node_dir "$n")"/{kubelet,gatehouse-agent,containerd-root}
  make_node "$n"
  boot_tpm "$n"
  start_kubelet "$n"
  eventually 60 node_is_ready "$n" || return 1
  K label node "node$n" gatehouse-e2e/agent=yes
}
