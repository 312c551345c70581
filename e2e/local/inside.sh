#!/usr/bin/env bash
# inside.sh: the run itself, as process 1 of namespaces that run.sh made. Brings
# everything up, side by side where nothing has to wait, then runs the cases.
set -Eeuo pipefail

# shellcheck disable=SC2034 # read by lib/common.sh
STARTED=$EPOCHREALTIME
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PATH=$BIN:$PATH:/usr/sbin:/sbin
# shellcheck source=/dev/null
for part in lib/common lib/cgroups lib/pki lib/cases cluster/control_plane cluster/registry cluster/images \
  cluster/node tpm gatehouse; do . "$HERE/$part.sh"; done

# Nothing that is written under these paths reaches the machine: they are covered
# by a tmpfs, or by an overlay that keeps the changes in one. The checkout, the
# cache and the programs stay what they are, wherever they happen to be.
make_private_files() {
  local keep=("$REPO" "$CACHE" "$GATEHOUSE_BIN") i path
  mount -t tmpfs -o mode=700 tmpfs /mnt
  for i in "${!keep[@]}"; do
    mkdir /mnt/$i
    mount --rbind "${keep[i]}" /mnt/$i
  done
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p $STATE/home $STATE/tmp $LOGS $PKI $CONF $STATE/digests $STATE/overlay
  for path in /etc /var; do
    mkdir -p $STATE/overlay$path/upper $STATE/overlay$path/work
    mount -t overlay -o "lowerdir=$path,upperdir=$STATE/overlay$path/upper,workdir=$STATE/overlay$path/work" \
      overlay $path
  done
  for i in "${!keep[@]}"; do
    mkdir -p "${keep[i]}"
    mount --rbind /mnt/$i "${keep[i]}"
  done
  umount -l /mnt
  export HOME=$STATE/home TMPDIR=$STATE/tmp
}

write_hosts() { printf '127.0.0.1 localhost\n%s registry.test\n' $CP_IP >/etc/hosts; }

# on_exit STATUS: the logs are on the run's tmpfs and go with it.
on_exit() {
  rm -rf "$CACHE/last-run"
  cp -r $LOGS "$CACHE/last-run" 2>/dev/null || true
  [ "$1" = 0 ] || echo "The logs of this run are in $CACHE/last-run" >&2
}

# job NAME CMD...: part of the set-up that runs beside the rest.
declare -A JOBS=()
job() {
  local name=$1
  shift
  "$@" >>"$LOGS/job-$name.log" 2>&1 &
  JOBS[$name]=$!
}

join() {
  wait "${JOBS[$1]}" && return 0
  cat "$LOGS/job-$1.log" >&2
  die "the part '$1' of the set-up failed; its words are above"
}

bring_up() {
  local n
  make_private_files
  write_hosts
  make_network
  start_etcd
  start_registry
  job tpms manufacture_tpms
  make_cluster_pki
  start_apiserver
  for n in "${NODES[@]}"; do make_node "$n"; done
  wait_for 10 "the registry" registry_is_ready
  job images prepare_images
  make_gatehouse_pki
  wait_for 60 "the API server" apiserver_is_ready
  step "API server ready"
  start_controllers
  for n in "${NODES[@]}"; do start_kubelet "$n"; done
  join images
  step "images pushed, signed by cosign"
  join tpms
  boot_tpms
  step 'a TPM for each node manufactured, a measured boot replayed into it'
  start_webhook
  for n in "${NODES[@]}"; do wait_for 60 "node$n Ready" node_is_ready "$n"; done
  step "two nodes Ready"
  guard_cluster
  step "API server asks Gatehouse"
  start_agent 1
  wait_for 60 "the first attestation of node1" node_is_attested 1
  step "node1 attested; node2 has no agent"
}

trap 'on_exit $?' EXIT
trap 'echo "${BASH_SOURCE[0]}:$LINENO: failed: $BASH_COMMAND" >&2' ERR
echo
echo "Gatehouse end to end: kube-apiserver 1.20.2, two nodes, a registry, a TPM for each node"
echo
bring_up
STATUS=0
run_all_cases || STATUS=$?
[ -z "${GATEHOUSE_E2E_SHELL:-}" ] || KUBECONFIG=$CONF/admin.kubeconfig PS1='gatehouse-e2e# ' bash --norc -i || true
exit $STATUS
