# shellcheck shell=bash disable=SC2034 # other files read what is set here
# gatehouse-webhook with its policies in a folder, and this script in the place of the API server that asks it.

POLICIES=$STATE/policies
VALIDITY=10m

token_of() { cat "$STATE/tokens/$1"; }

# start_verifier NODE...: with a token for each.
start_verifier() {
  local dir=$STATE/verifier node
  mkdir -p "$dir/nodes" "$POLICIES" "$STATE/tokens"
  make_ca verifier-ca
  make_cert verifier verifier-ca /CN=gatehouse serverAuth IP:10.0.2.2,IP:127.0.0.1
  head -c 32 /dev/urandom >"$dir/nonce.key"
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$dir/ear.pem" 2>/dev/null
  for node in "$@"; do
    openssl rand -hex 32 >"$STATE/tokens/$node"
    echo "$node: \"sha256:$(tr -d '\n' <"$STATE/tokens/$node" | sha256sum | cut -d' ' -f1)\""
  done >"$dir/tokens.yaml"
  cat >"$dir/webhook.yaml" <<Y
admission:
  listen: "127.0.0.1:8443"
  tls: {certificate: $PKI/verifier.crt, key: $PKI/verifier.key}
attestation:
  listen: "127.0.0.1:8444"
  tls: {certificate: $PKI/verifier.crt, key: $PKI/verifier.key}
  tokens: $dir/tokens.yaml
  nonceKey: $dir/nonce.key
  signingKey: $dir/ear.pem
  stateDir: $dir/nodes
metrics: {listen: "127.0.0.1:8445"}
policies: {folder: $POLICIES, reloadInterval: 200ms}
Y
  start verifier program gatehouse-webhook --config "$dir/webhook.yaml"
  wait_for 20 'the verifier' answers http://127.0.0.1:8445/healthz
}

# write_policies NAME: what is read from standard input is in force when this is true.
write_policies() {
  local before
  before=$(reloads)
  cat >"$STATE/$1.part"
  ! cmp -s "$STATE/$1.part" "$POLICIES/$1.yaml" || return 0
  mv "$STATE/$1.part" "$POLICIES/$1.yaml"
  eventually 10 reloaded "$before" || { policies_state >&2; return 1; }
}
policies_state() { curl -s http://127.0.0.1:8445/readyz; }
reloads() { curl -s http://127.0.0.1:8445/metrics | sed -n 's/^gatehouse_policy_reloads_total{outcome="ok"} //p'; }
reloaded() { [ "$(reloads)" != "$1" ] && ! policies_state | grep -q stale; }

# bind_pod NODE: what a scheduler asks; the answer's words, true if it is admitted.
bind_pod() {
  local answer
  answer=$(jq -nc --arg node "$1" '{apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request: {
    uid: "5a1de3a0-0000-4000-8000-000000000001", kind: {group: "", version: "v1", kind: "Binding"},
    resource: {group: "", version: "v1", resource: "pods"}, subResource: "binding",
    requestKind: {group: "", version: "v1", kind: "Binding"}, requestResource: {group: "", version: "v1", resource: "pods"}, requestSubResource: "binding",
    name: "app", namespace: "demo", operation: "CREATE", userInfo: {username: "system:kube-scheduler", groups: ["system:authenticated"]},
    object: {apiVersion: "v1", kind: "Binding", metadata: {name: "app", namespace: "demo", uid: "5a1de3a0-0000-4000-8000-000000000002"},
             target: {kind: "Node", name: $node}}, oldObject: null, dryRun: false,
    options: {apiVersion: "meta.k8s.io/v1", kind: "CreateOptions"}}}' |
    curl -sS --max-time 10 --cacert "$PKI/verifier-ca.crt" -H 'Content-Type: application/json' -d @- 'https://127.0.0.1:8443/validate?timeout=5s')
  jq -r '.response.status.message // "pod bound"' <<<"$answer"
  [ "$(jq -r .response.allowed <<<"$answer")" = true ]
}

gatehouse_cli() { program gatehouse "$@"; }
