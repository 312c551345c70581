# shellcheck shell=bash disable=SC2034 # other files read what is set here
# What the attestation of a big cluster costs its API server: agents without
# machines (tests/load), each with a TPM of its own made of keys, attest to both
# replicas; time runs thirty times as fast, so that few stand for many.

SWARM_NODES=40

swarm() {
  local at=0 name pod metrics=() servers=() names=("$ATTESTATION_NAME" "${ATTESTATION_NAME%.svc}")
  OUT=$(K patch nodepolicy measured-boot --type=merge -p "$(jq -nc --arg a "$(node 1)" --arg b "$(node 2)" --arg c "$(node 3)" \
    '{spec: {nodes: [{glob: $a}, {glob: $b}, {glob: $c}]}}')" 2>&1 && K apply -f "$STATE/swarm/policy.yaml" 2>&1) || return 1
  KG get configmap $RELEASE-public -o 'jsonpath={.data.ca\.crt}' >"$STATE/swarm/ca.crt"
  for pod in $(webhook_pods); do
    name=${names[$at]} at=$((at + 1))
    echo "$(KG get pod "$pod" -o 'jsonpath={.status.podIP}') $name" >>/etc/hosts
    servers+=(--server "https://$name:8444")
    metrics+=(--metrics "http://$(KG get pod "$pod" -o 'jsonpath={.status.podIP}'):8080/metrics")
  done
  OUT=$("$GATEHOUSE_SWARM" run --folder "$STATE/swarm" --nodes $SWARM_NODES "${servers[@]}" "${metrics[@]}" --ca "$STATE/swarm/ca.crt" \
    --kubeconfig "$KUBECONFIG_FILE" --create-nodes --interval 2s --validity 20s --rounds 12 \
    --as-nodes 2000 --as-interval 60s --as-validity 10m 2>&1)
  local status=$?
  WORDS=$(tail -n 1 <<<"$OUT")
  [ $status = 0 ] || WORDS=$(tail -n 4 <<<"$OUT") && echo "$OUT" >"$LOGS/swarm.log"
  "$GATEHOUSE_SWARM" remove --nodes $SWARM_NODES --kubeconfig "$KUBECONFIG_FILE" >>"$LOGS/cases.log" 2>&1
  K delete -f "$STATE/swarm/policy.yaml" >/dev/null
  K patch nodepolicy measured-boot --type=merge -p '{"spec": {"nodes": [{"glob": "*"}]}}' >/dev/null
  return $status
}

if can own-webhook && [ -n "${GATEHOUSE_SWARM:-}" ]; then
  expect 'writes to the API server for 2,000 nodes' 'as many as computed' swarm
  eventually 20 node_can_take 1
else
  echo '     left out: writes to the API server for 2,000 nodes (needs gatehouse-swarm, which make test builds)'
fi
