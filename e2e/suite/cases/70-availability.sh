# shellcheck shell=bash
# Things that happen to Gatehouse while fifty pods a second are created. Whatever
# happens, no image without a signature passes.

# kill_webhook POD: the process, with SIGKILL, as the kernel would when memory runs out.
kill_webhook() {
  local n uid
  uid=$(KG get pod "$1" -o 'jsonpath={.metadata.uid}')
  for n in 1 2 3; do
    if [ "$(node $n)" = "$(KG get pod "$1" -o 'jsonpath={.spec.nodeName}')" ]; then
      in_node $n sh -c "for p in \$(pgrep -x gatehouse-webho); do grep -q '$uid' /proc/\$p/cgroup && kill -9 \$p; done; true"
    fi
  done
}

restarts() { KG get pods -l "$WEBHOOK_PODS" -o 'jsonpath={range .items[*]}{.status.containerStatuses[0].restartCount}{"\n"}{end}' | awk '{ s += $1 } END { print s + 0 }'; }

killed() {
  local pod before
  before=$(restarts)
  load_starts || return 1
  for pod in $(webhook_pods); do
    kill_webhook "$pod"
    sleep 4
  done
  load_ends 3
  WORDS+="; both replicas killed, one after the other: $(($(restarts) - before)) restarts"
  eventually 30 two_webhooks_ready
  load_counts "$NONE_WRONG" && [ "$(restarts)" -gt "$before" ]
}

another_leads() {
  local old since
  old=$(leader)
  since=$EPOCHREALTIME
  KG delete pod "$old" --grace-period=0 --force >/dev/null 2>&1 || {
    WORDS="the leader is '$old', which is no pod"
    return 1
  }
  eventually 60 leader_is_not "$old" || return 1
  WORDS="$old deleted; $(leader) leads after $(seconds_since "$since") s"
  eventually 40 two_webhooks_ready
}
leader_is_not() { [ -n "$(leader)" ] && [ "$(leader)" != "$1" ] && KG get pod "$(leader)"; }

api_server_restarted() {
  local since=$EPOCHREALTIME
  apiserver_restarts || return 1
  eventually 60 two_webhooks_ready
  decides_right 60 || return 1
  WORDS="decisions right $(seconds_since "$since") s after it was killed / $WORDS"
}

# The values have it that certificates are short-lived, and an authority too. While
# requests come, until the certificate has changed.
rotated() {
  local old
  old=$(tls_serial) && [ -n "$old" ] || return 1
  load_starts || return 1
  eventually 110 both_are_new "$old"
  load_ends 6
  WORDS="certificate $old, then $(tls_serial); authority $FIRST_AUTHORITY at first, now $(authority) / $WORDS"
  both_are_new "$old" && load_counts "$NONE_LOST"
}
both_are_new() { [ "$(tls_serial)" != "$1" ] && [ "$(authority)" != "$FIRST_AUTHORITY" ]; }

upgraded() {
  load_starts || return 1
  OUT=$(helm_does upgrade --set admission.unmatchedImages=deny "$@" 2>&1)
  load_ends 3
  WORDS="$(grep -E '^(STATUS|REVISION|Error)' <<<"$OUT" | paste -sd' ') / $WORDS"
  grep -q 'STATUS: deployed' <<<"$OUT" && load_counts "$NONE_LOST"
}

new_value_holds() { soon 10 refused no-policy-matches -- create demo "$(pod any elsewhere.example/app:1)" --dry-run=server; }

rolled_back() {
  load_starts || return 1
  local said
  said=$(HELM rollback $RELEASE 1 -n $GATEHOUSE_NAMESPACE --wait --timeout 90s 2>&1)
  load_ends 3
  said+=" / $WORDS"
  load_counts "$NONE_LOST" && soon 10 warned no-policy-matches -- \
    create demo "$(pod any elsewhere.example/app:1)" --dry-run=server
  local status=$?
  WORDS="$said / $WORDS"
  return $status
}

expect 'both webhooks killed with SIGKILL, under load' 'none wrongly admitted' killed
expect 'the leader deleted' 'another leads' another_leads
! can restart-apiserver || expect 'API server killed and started again' 'decisions are right' api_server_restarted
expect 'certificate rotated, under load' 'no request lost' rotated
expect 'helm upgrade, under load' 'no request lost' upgraded
expect 'the value that was upgraded' 'in force' new_value_holds
expect 'helm rollback, under load' 'no request lost' rolled_back
