# shellcheck shell=bash
# A real API server (and etcd), without nodes and controllers, in namespaces of its own: for tests of the chart. Sourced first; as root. Needs what
# e2e/local/bootstrap.sh fetches. HELM is another helm, CHART another chart.
REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BIN=${GATEHOUSE_E2E_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gatehouse-e2e}/bin
CHART=${CHART:-$REPO/deploy/helm/gatehouse}
NS=gatehouse-system
if [ -z "${GATEHOUSE_OWN_NETWORK:-}" ]; then
  "$REPO/deps/helm.sh" >/dev/null
  exec env GATEHOUSE_OWN_NETWORK=yes GATEHOUSE_E2E_CACHE="${BIN%/bin}" \
    unshare --net --pid --fork --kill-child --mount-proc "$0" "$@"
fi
DIR=$(mktemp -d)
trap 'rm -rf "$DIR"' EXIT
export KUBECONFIG=$DIR/kubeconfig HOME=$DIR
passed=0

K() { "$BIN/kubectl-modern" "$@"; }
H() { "${HELM:-$BIN/helm}" --namespace $NS "$@"; }
fail() {
  printf 'not as expected: %s\n' "$*" >&2
  exit 1
}
ok() {
  passed=$((passed + 1))
  printf 'as expected: %s\n' "$*"
}
wait_for() { # SECONDS COMMAND...
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || fail "$* does not happen"
    sleep 0.1
  done
}

start_api_server() {
  local address=10.0.0.1 etcd=http://127.0.0.1:2379
  ip link set lo up
  ip link add plug type bridge
  ip addr add $address/24 dev plug
  ip link set plug up
  openssl genrsa -out "$DIR/sa.key" 2048 2>/dev/null
  echo 'admin-token,admin,admin,system:masters' >"$DIR/tokens.csv"
  etcd --data-dir "$DIR/etcd" --unsafe-no-fsync --listen-client-urls $etcd --advertise-client-urls $etcd >"$DIR/etcd.log" 2>&1 &
  "$BIN/kube-apiserver" --etcd-servers=$etcd --advertise-address=$address --bind-address=$address --service-cluster-ip-range=10.96.0.0/16 \
    --enable-aggregator-routing=true --cert-dir="$DIR/certs" --authorization-mode=Node,RBAC --token-auth-file="$DIR/tokens.csv" --allow-privileged=true \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$DIR/sa.key" \
    --service-account-signing-key-file="$DIR/sa.key" >"$DIR/apiserver.log" 2>&1 &
  K config set-cluster c --server=https://$address:6443 --insecure-skip-tls-verify=true >/dev/null
  K config set-credentials u --token=admin-token >/dev/null
  K config set-context c --cluster=c --user=u >/dev/null
  K config use-context c >/dev/null
  wait_for 60 K get --raw /readyz
  wait_for 20 K get namespace kube-system
}
