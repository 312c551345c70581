# shellcheck shell=bash
# Gatehouse's own doors, its metrics and memory, and one way around it.

metrics_count() {
  local pod allowed denied unsigned i
  for ((i = 0; i < 10; i++)); do # those who counted the rest may be gone
    create demo "$(pod any "$(pinned signed)")" --dry-run=server
    create demo "$(pod any "$(pinned unsigned)")" --dry-run=server
  done >/dev/null 2>&1
  OUT=$(for pod in $(webhook_pods); do metrics "$pod" || return 1; done)
  allowed=$(counted gatehouse_admission_requests_total 'outcome="allowed"')
  denied=$(counted gatehouse_admission_requests_total 'outcome="denied"')
  unsigned=$(counted gatehouse_findings_total 'reason="image-unsigned"')
  WORDS="gatehouse_admission_requests_total: $allowed allowed, $denied denied; "
  WORDS+="gatehouse_findings_total: $unsigned image-unsigned"
  [ "$allowed" -ge 10 ] && [ "$denied" -ge 10 ] && [ "$unsigned" -ge 5 ]
}

decisions_in_status() {
  says "$(K get imagepolicy signed -o 'jsonpath={.status.decisions}')" '"denied":[1-9]'
}

# resident NAME: the biggest of the cluster at rest, in kB: of each the least of two
# seconds, since an attestation needs more while it lasts. Ten of the agent's twelve
# megabytes are pages of shared libraries, as many as the kernel happened to map.
resident() {
  local n
  for n in 1 2 3; do
    in_node $n sh -c "for i in 1 2 3 4 5 6 7 8; do
      for p in \$(pgrep -x ${1:0:15}); do awk -v p=\$p '/^VmRSS:/ { print p, \$2 }' /proc/\$p/status; done
      sleep 0.25
    done" | awk '!($1 in least) || $2 < least[$1] { least[$1] = $2 } END { for (p in least) print least[p] }'
  done | sort -n | tail -1
}

memory_is_small() {
  local webhook agent
  webhook=$(resident gatehouse-webhook) && agent=$(resident gatehouse-agent) || return 1
  WORDS="resident: webhook $webhook kB of 30720, agent $agent kB of 13312"
  [ "$webhook" -lt 30720 ] && [ "$agent" -lt 13312 ]
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
  local ip
  ip=$(KG get service $RELEASE-webhook -o 'jsonpath={.spec.clusterIP}')
  OUT=$(in_node 2 curl -sS --max-time 5 -k --resolve "$ADMISSION_NAME:443:$ip" -H 'Content-Type: application/json' -d '{}' \
    -o /dev/null -w '; HTTP %{http_code}' "$@" "https://$ADMISSION_NAME/validate" 2>&1)
}

# A14, G4: known and documented. The API never shows it as admitted, but the
# container runs: manifests must be kept off the nodes, or measured.
static_pod() {
  pod static "$APP:unsigned" | jq -c '.metadata.namespace = "demo"' >"$(manifests 2)/static.json"
  eventually 30 static_pod_runs || return 1
  WORDS="the container runs on $(node 2); mirror pod: $(K -n demo get pod "static-$(node 2)" 2>&1)"
  ! K -n demo get pod "static-$(node 2)" >/dev/null 2>&1
}
static_pod_runs() { in_node 2 ctr -n k8s.io containers list | grep -q app:unsigned; }

expect 'metrics after all this' 'decisions are counted' metrics_count
expect 'status of the policy after all this' 'decisions are counted' soon 20 decisions_in_status
expect 'memory after all this' 'webhook < 30 MB, agent < 13 MB' memory_is_small
if can client-certificates; then
  expect 'admission request without the API server'"'"'s certificate' 'refused by TLS' door_refuses
  expect 'admission request with the certificate of a kubelet' 'refused by TLS' \
    door_refuses --cert "$PKI/node2.crt" --key "$PKI/node2.key"
fi
if can static-pods; then
  expect 'static pod with an unsigned image, on node2' 'mirror pod refused, but it runs' static_pod
  rm -f "$(manifests 2)/static.json"
fi
