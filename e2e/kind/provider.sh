# shellcheck shell=bash disable=SC2034 # other files read what is set here
# What the suite needs of a cluster, by docker and kind. A node is a container; its
# TPM is a swtpm of the machine, whose socket is copied in by a bind of its folder.

REGISTRY=registry.test:5000
NODES=(1 2 3)
NODE_NAMES=([1]=gatehouse-e2e-worker [2]=gatehouse-e2e-worker2 [3]=gatehouse-e2e-worker3)
PROVIDER_CAN='stop-registry kubelet-credentials static-pods restart-apiserver'
CONTROL_PLANE=gatehouse-e2e-control-plane
KUBECONFIG_FILE=$STATE/kubeconfig

K() { kubectl --kubeconfig "$KUBECONFIG_FILE" --request-timeout=20s "$@"; }
HELM() { helm --kubeconfig "$KUBECONFIG_FILE" "$@"; }
in_node() {
  local n=$1
  shift
  docker exec -i "$(node "$n")" "$@"
}
as_kubelet() {
  local n=$1
  shift
  in_node "$n" kubectl --kubeconfig /etc/kubernetes/kubelet.conf "$@"
}

node_dir() { echo "$STATE/node$1"; }
tpm_socket() { echo "$(node_dir "$1")/tpm/socket"; }
measurements() { echo "$(node_dir "$1")/security"; }
manifests() { echo "$(node_dir "$1")/manifests"; }

# The folders of the nodes that the machine must reach are mounts of the containers.
cluster_config() {
  local n=0 line
  while IFS= read -r line; do
    echo "$line"
    [ "$line" = "- role: worker" ] || continue
    n=$((n + 1))
    mkdir -p "$(node_dir $n)"/{tpm,security,manifests}
    cat <<Y
  extraMounts:
  - {hostPath: $(node_dir $n)/tpm, containerPath: /run/gatehouse-tpm}
  - {hostPath: $(node_dir $n)/security, containerPath: /run/gatehouse-security}
  - {hostPath: $(node_dir $n)/manifests, containerPath: /etc/kubernetes/manifests}
Y
  done <"$HERE/cluster.yaml"
}

registry_starts() {
  docker start gatehouse-e2e-registry >/dev/null
  wait_for 20 'the registry' answers "http://$REGISTRY/v2/"
}
registry_stops() { docker stop -t 0 gatehouse-e2e-registry >/dev/null; }

make_registry() {
  docker run -d --name gatehouse-e2e-registry --network kind registry:2 >/dev/null
  REGISTRY_IP=$(docker inspect -f '{{.NetworkSettings.Networks.kind.IPAddress}}' gatehouse-e2e-registry)
  { cat /etc/hosts && echo "$REGISTRY_IP ${REGISTRY%:*}"; } >"$STATE/hosts"
  mount --bind "$STATE/hosts" /etc/hosts
  local name
  for name in $CONTROL_PLANE "${NODE_NAMES[@]}"; do
    docker exec -i "$name" sh -c "mkdir -p /etc/containerd/certs.d/$REGISTRY; cat >/etc/containerd/certs.d/$REGISTRY/hosts.toml" <<T
[host."http://$REGISTRY_IP:5000"]
  capabilities = ["pull", "resolve"]
T
  done
}

apiserver_restarts() {
  docker exec $CONTROL_PLANE pkill -9 -x kube-apiserver
  sleep 2
  eventually 90 K get --raw /readyz
}

bring_up_cluster() {
  local n
  job tpms manufacture_tpms
  cluster_config >"$STATE/cluster.yaml"
  kind create cluster --config "$STATE/cluster.yaml" --kubeconfig "$KUBECONFIG_FILE" --wait 180s >"$LOGS/kind.log" 2>&1
  step "kind has made the cluster"
  make_registry
  wait_for 20 'the registry' answers "http://$REGISTRY/v2/"
  prepare_images
  push_gatehouse e2e
  step "images pushed, signed by cosign"
  join tpms
  for n in "${TPM_NODES[@]}"; do boot_tpm "$n"; done
  step "TPMs of two nodes manufactured, a measured boot replayed into them"
  make_namespaces
}

# What an admin of this cluster sets beside the rest: YAML.
provider_values() { echo '{agent: {securityFolder: /run/gatehouse-security}}'; }
