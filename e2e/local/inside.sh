#!/usr/bin/env bash
# inside.sh: the run itself, as process 1 of namespaces that run.sh made. Brings
# the cluster up, side by side where nothing has to wait, then runs the suite.
set -Eeuo pipefail

# shellcheck disable=SC2034 # read by suite/lib
STARTED=$EPOCHREALTIME
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SUITE=$(cd "$HERE/../suite" && pwd)
PATH=$BIN:$PATH:/usr/sbin:/sbin
# shellcheck source=/dev/null
for part in "$HERE"/lib/{common,private,cgroups,pki}.sh "$SUITE"/lib/*.sh "$HERE"/cluster/{control_plane,registry,node}.sh; do
  . "$part"
done

write_hosts() { printf '127.0.0.1 localhost\n%s registry.test\n' $CP_IP >/etc/hosts; }

# on_exit STATUS: the logs are on the run's tmpfs and go with it.
on_exit() {
  collect_gatehouse_logs 2>/dev/null || true
  rm -rf "$CACHE/last-run"
  cp -r $LOGS "$CACHE/last-run" 2>/dev/null || true
  [ "$1" = 0 ] || echo "The logs of this run are in $CACHE/last-run" >&2
}

bring_up_cluster() {
  local n
  make_private_files
  write_hosts
  make_network
  start_etcd
  start_registry
  job tpms manufacture_tpms
  make_cluster_pki
  make_admission_pki
  start_apiserver
  for n in "${NODES[@]}"; do make_node "$n"; done
  wait_for 10 "the registry" registry_is_ready
  job images prepare_images
  wait_for 60 "the API server" apiserver_is_ready
  step "API server ready"
  start_controllers
  for n in "${NODES[@]}"; do start_kubelet "$n"; done
  join images
  push_gatehouse e2e
  step "images pushed, signed by cosign"
  join tpms
  for n in "${TPM_NODES[@]}"; do boot_tpm "$n"; done
  step 'TPMs of node1 and node3 manufactured, a measured boot replayed into them'
  for n in "${NODES[@]}"; do wait_for 60 "node$n Ready" node_is_ready "$n"; done
  make_namespaces
  step "three nodes Ready"
}

trap 'on_exit $?' EXIT
trap 'echo "${BASH_SOURCE[0]}:$LINENO: failed: $BASH_COMMAND" >&2' ERR
echo
echo "Gatehouse end to end: kube-apiserver 1.20.2, three nodes, a registry, TPMs"
echo
bring_up_cluster
STATUS=0
run_cases "${GATEHOUSE_E2E_CASES:-*}" || STATUS=$?
[ -z "${GATEHOUSE_E2E_SHELL:-}" ] || KUBECONFIG=$CONF/admin.kubeconfig PS1='gatehouse-e2e# ' bash --norc -i || true
exit $STATUS
