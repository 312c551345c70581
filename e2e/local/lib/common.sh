# shellcheck shell=bash disable=SC2034 # other files read what is set here
# What every part of the run uses. Runs inside the namespaces only.

STATE=/run/gatehouse-e2e # on a tmpfs of the run's own
LOGS=$STATE/logs
PKI=$STATE/pki
CONF=$STATE/conf

CP_IP=10.240.0.1 # the control plane, the registry and Gatehouse
API=https://$CP_IP:6443
REGISTRY=registry.test:5000
SERVICE_CIDR=10.96.0.0/16
POD_CIDR=10.244.0.0/16

node_ip() { echo "10.240.0.1$1"; }

step() { printf '   %5.1f s  %s\n' "$(seconds_since 0)" "$*"; }

# seconds_since EPOCH: 0 means since the start of the run.
seconds_since() {
  local from=$1
  [ "$from" != 0 ] || from=$STARTED
  awk -v a="$from" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'
}

die() {
  printf '\nrun.sh: %s\n' "$*" >&2
  exit 1
}

# start NAME CMD...: in the background, with a log of its own.
declare -A PIDS=()
start() {
  local name=$1
  shift
  "$@" >>"$LOGS/$name.log" 2>&1 </dev/null &
  PIDS[$name]=$!
}

stop() {
  local pid=${PIDS[$1]}
  unset "PIDS[$1]"
  kill "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}

# A server that died explains a missing answer better than a timeout does.
check_servers() {
  local name
  for name in "${!PIDS[@]}"; do
    kill -0 "${PIDS[$name]}" 2>/dev/null || {
      tail -n 15 "$LOGS/$name.log" >&2
      die "$name ended by itself; its last words are above"
    }
  done
}

# eventually SECONDS CMD...: true as soon as CMD is, false after SECONDS.
eventually() {
  local until=$((${EPOCHREALTIME/./} + $1 * 1000000))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "${EPOCHREALTIME/./}" -lt "$until" ] || return 1
    sleep 0.1
  done
}

# wait_for SECONDS WHAT CMD...: the same for the set-up, where failing is final.
wait_for() {
  local seconds=$1 what=$2
  shift 2
  eventually "$seconds" "$@" && return 0
  check_servers
  die "$what: not within $seconds s"
}

# The kubectl of the cluster's version, as cluster admin.
K() { kubectl --kubeconfig "$CONF/admin.kubeconfig" --request-timeout=20s "$@"; }

answers() { curl -sf --max-time 2 -o /dev/null "$@"; }
