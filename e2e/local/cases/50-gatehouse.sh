# shellcheck shell=bash
# Gatehouse's own doors, and what happens without it.

# counted DECISION: requests of that decision, summed over all other labels.
counted() {
  awk -v decision="decision=\"$1\"" '/^gatehouse_admission_[a-z_]*total\{/ && index($0, decision) { sum += $NF }
    END { print sum + 0 }' <<<"$OUT"
}

metrics_count() {
  local allow deny
  OUT=$(curl -sf --max-time 5 "$METRICS/metrics" 2>&1) || return 1
  allow=$(counted allow) deny=$(counted deny)
  OUT=$(grep -E '^gatehouse_admission' <<<"$OUT" | head -5)
  WORDS="decision=\"allow\" $allow, decision=\"deny\" $deny"
  [ "$allow" -ge 10 ] && [ "$deny" -ge 10 ]
}

# Only the API server may ask: a review tells nothing away, but a door that needs
# no caller is one less.
no_client_certificate() {
  OUT=$(curl -sS --max-time 5 --cacert "$PKI/gatehouse-ca.crt" -d '{}' "$ADMISSION" 2>&1) && return 1
  says "$OUT" 'alert|certificate'
}

node_certificate() {
  OUT=$(curl -sS --max-time 5 --cacert "$PKI/gatehouse-ca.crt" --cert "$PKI/node2.crt" --key "$PKI/node2.key" \
    -d '{}' "$ADMISSION" 2>&1) && return 1
  says "$OUT" 'alert|certificate|unknown ca'
}

webhook_down() {
  stop gatehouse-webhook
  OUT=$(create demo "$(pod refused "$(pinned signed)")" 2>&1) && return 1
  says "$OUT" 'failed calling webhook' "$WEBHOOK_NAME"
}

# Without the warning that --force always prints.
deleted() { KD delete pod signed --grace-period=0 --force 2>/dev/null; }

expect 'counters of admission decisions' 'both kinds counted' metrics_count
expect 'admission request without the API server'"'"'s certificate' 'refused by TLS' no_client_certificate
expect 'admission request with the certificate of a kubelet' 'refused by TLS' node_certificate
expect 'Gatehouse down: signed image' 'refused (fails closed)' webhook_down
expect 'Gatehouse down: a pod is deleted' 'admitted' admitted deleted
