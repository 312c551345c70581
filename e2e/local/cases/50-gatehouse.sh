# shellcheck shell=bash disable=SC2034 # other files read what is set here
# Gatehouse's own doors, and what happens without it.

# counted FAMILY LABEL: summed over all other labels.
counted() {
  awk -v family="$1{" -v label="$2" 'index($0, family) == 1 && index($0, label) { sum += $NF } END { print sum + 0 }' \
    <<<"$OUT"
}

metrics_count() {
  local allowed denied unsigned
  OUT=$(curl -sS --fail --max-time 5 "$METRICS/metrics" 2>&1) || return 1
  allowed=$(counted gatehouse_admission_requests_total 'outcome="allowed"')
  denied=$(counted gatehouse_admission_requests_total 'outcome="denied"')
  unsigned=$(counted gatehouse_findings_total 'reason="image-unsigned"')
  OUT=$(grep -E '^gatehouse_(admission_requests|findings)_total' <<<"$OUT")
  WORDS="gatehouse_admission_requests_total: $allowed allowed, $denied denied; "
  WORDS+="gatehouse_findings_total: $unsigned image-unsigned"
  [ "$allowed" -ge 10 ] && [ "$denied" -ge 10 ] && [ "$unsigned" -ge 5 ]
}

# resident NAME: in kB.
resident() { awk '/^VmRSS:/ { print $2 }' "/proc/$(pgrep -n -x -- "${1:0:15}")/status"; }

memory_is_small() {
  local webhook agent
  webhook=$(resident gatehouse-webhook) && agent=$(resident gatehouse-agent) || return 1
  WORDS="resident: webhook $webhook kB of 30720, agent $agent kB of 12288"
  [ "$webhook" -lt 30720 ] && [ "$agent" -lt 12288 ]
}

# Only the API server may ask: the answers tell which signatures and nodes are
# trusted, and each question costs work. The same request with its certificate is
# answered, so what refuses the others is theirs.
door_refuses() {
  ask_door --cert "$PKI/admission-client.crt" --key "$PKI/admission-client.key" || return 1
  ask_door "$@" && return 1
  says "$OUT" 'HTTP 000'
}

ask_door() {
  OUT=$(curl -sS --max-time 5 --cacert "$PKI/gatehouse-ca.crt" -H 'Content-Type: application/json' -d '{}' \
    -o /dev/null -w '; HTTP %{http_code}' "$@" "$ADMISSION" 2>&1)
}

webhook_down() {
  stop gatehouse-webhook
  OUT=$(create demo "$(pod refused "$(pinned signed)")" 2>&1) && return 1
  says "$OUT" 'failed calling webhook' "$WEBHOOK_NAME"
}

# Without the warning that --force always prints.
deleted() { KD delete pod signed --grace-period=0 --force 2>/dev/null; }

expect 'metrics after all this' 'decisions are counted' metrics_count
expect 'memory after all this' 'webhook < 30 MB, agent < 12 MB' memory_is_small
expect 'admission request without the API server'"'"'s certificate' 'refused by TLS' door_refuses
expect 'admission request with the certificate of a kubelet' 'refused by TLS' \
  door_refuses --cert "$PKI/node2.crt" --key "$PKI/node2.key"
expect 'Gatehouse down: signed image' 'refused (fails closed)' webhook_down
expect 'Gatehouse down: a pod is deleted' 'admitted' admitted deleted
