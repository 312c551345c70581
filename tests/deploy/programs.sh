#!/usr/bin/env bash
# programs.sh: the programs of GATEHOUSE_BIN as the chart configures them, split into roles, each with the rights of its ServiceAccount and no others,
# against a real API server: certificates are made and published, policies judged and in force, pods admitted and refused, and no request is denied.
set -euo pipefail
# shellcheck source=tests/deploy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
: "${GATEHOUSE_BIN:?a folder with gatehouse-webhook}"
programs=()
declare -A METRICS=([admission]=9081 [attestation]=9082 [controller]=9083)

start_role() { # ROLE: as its pod would
  local role=$1 name=gatehouse-$1
  local folder=$DIR/$role
  mkdir -p "$folder"
  K -n $NS get configmap "$name" -o 'jsonpath={.data.webhook\.yaml}' |
    sed -e "s|:8080|10.0.0.1:${METRICS[$role]}|; s|: :844|: 10.0.0.1:844|; s|/run/gatehouse/keys|$folder/keys|" \
      -e "s|^kubernetes:|&\n  kubeconfig: $folder/kubeconfig\n  identity: $name-1|" >"$folder/webhook.yaml"
  cat >"$folder/kubeconfig" <<Y
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://10.0.0.1:6443", certificate-authority: $DIR/certs/apiserver.crt}}]
users: [{name: u, user: {token: $(K -n $NS create token "$name")}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
Y
  "$GATEHOUSE_BIN/gatehouse-webhook" --config "$folder/webhook.yaml" >"$folder/audit" 2>"$folder/log" &
  programs+=($!)
}
ready() { curl -fsS "http://10.0.0.1:${METRICS[$1]}/readyz"; }
refused() { # TEXT COMMAND...: with that text in the answer
  local text=$1
  shift
  if "$@" >"$DIR/out" 2>&1; then fail "admitted: $*"; fi
  grep -q "$text" "$DIR/out" || fail "$* without '$text': $(cat "$DIR/out")"
}
create() { K create -f - <<<"$1"; }
policy() { # NAME MODE MORE
  printf '{"apiVersion": "gatehouse.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": "%s"}, "spec": {"images": [{"glob": "app.test/**"}],
    "authorities": [{"name": "nobody", "static": {"action": "fail", "message": "not today"}}], "mode": "%s"%s}}' "$1" "$2" "${3:-}"
}
pod() { printf '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "%s", "namespace": "demo"}, "spec": {"automountServiceAccountToken": false, "containers": [{"name": "c", "image": "%s@sha256:%064d"}]}}' "$1" "$2" 1; }
in_force() { [ "$(K get imagepolicy "$1" -o 'jsonpath={.status.conditions[?(@.type=="InForce")].status}')" = True ]; }

start_api_server
K create namespace $NS >/dev/null
K label namespace $NS kube-system gatehouse.dev/admission=exempt >/dev/null
K create namespace demo >/dev/null
K -n demo create serviceaccount default >/dev/null
H install gatehouse "$CHART" --set image.repository=gatehouse --set roles.split=true,shutdownDelay=0s >"$DIR/out" 2>&1 || fail "$(cat "$DIR/out")"
# Which no controller makes here: the way from the Service to the process.
create '{"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "gatehouse-webhook", "namespace": "gatehouse-system"},
  "subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"name": "https", "port": 8443}]}]}' >/dev/null
for role in controller admission attestation; do start_role $role; done
trap 'tail -n 3 "$DIR"/*/log >&2; rm -rf "$DIR"' ERR
for role in controller admission attestation; do
  wait_for 30 ready $role
  ok "$role is ready"
done
ca=$(K -n $NS get configmap gatehouse-public -o 'jsonpath={.data.ca\.crt}')
published() { [ "$(K get "$1" gatehouse -o 'jsonpath={.webhooks[*].clientConfig.caBundle}' | tr ' ' '\n' | sort -u | base64 -d)" = "$ca" ]; }
for kind in validatingwebhookconfiguration mutatingwebhookconfiguration; do
  wait_for 10 published $kind
  ok "the CA is in the $kind"
done

wait_for 10 create "$(policy app audit)"
ok "a policy is admitted"
# By us: kubectl itself would look at the schema first, other clients do not.
misspelt() { K create --validate=false -f - <<<"$(policy bad audit ', "requires": "all"')"; }
refused 'denied the request: gatehouse: ImagePolicy bad: .*unknown field .requires' misspelt
ok "a misspelt policy is refused, with the path of the field"
outside() { K create --validate=false -f - <<<"$(policy bad audit '}, "require": {"atLeast": 1')"; }
refused 'denied the request: gatehouse: ImagePolicy bad: .*unknown field .require' outside
ok "and so is a field that is not where it belongs"
for require in '"all"' '{"atLeast": 1}'; do
  K apply --server-side -f - <<<"$(policy whole audit ", \"require\": $require")" >"$DIR/out" 2>&1 || fail "$(cat "$DIR/out")"
done
K delete imagepolicy whole >/dev/null
ok "server-side apply of whatever may be required"
wait_for 30 in_force app
ok "its status says in force"
create "$(pod audited app.test/x)" >"$DIR/out" 2>&1 || fail "$(cat "$DIR/out")"
ok "audit admits"
create "$(pod unmatched other.test/x)" >"$DIR/out" 2>&1 || fail "$(cat "$DIR/out")"
grep -q 'Warning: .*other.test/x' "$DIR/out" || fail "$(cat "$DIR/out")"
ok "an image that no policy covers is admitted with a warning"
K patch imagepolicy app --type=merge -p '{"spec": {"mode": "enforce"}}' >/dev/null
enforced() { ! create "$(pod probe app.test/x)"; }
wait_for 10 enforced
refused 'not today' create "$(pod enforced app.test/x)"
ok "enforce refuses"
K -n demo delete pod audited --wait=false >/dev/null
ok "DELETE is not asked about"

H test gatehouse --filter name=gatehouse-test-policy >"$DIR/out" 2>&1 || fail "$(cat "$DIR/out")"
if K get imagepolicy gatehouse-test-policy >"$DIR/out" 2>&1; then fail "helm test leaves its policy"; fi
ok "helm test: the API server reaches the webhook and believes it"

node() { K get node worker-1 -o "jsonpath=$1"; }
marked() { [ "$(node '{.metadata.labels.attestation\.node-restriction\.kubernetes\.io/trusted}')" = false ]; }
create '{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-1"}}' >/dev/null
K apply -f "$REPO/examples/policies/workers.yaml" >/dev/null
wait_for 30 marked
ok "a node that never attested gets the label"
wait_for 10 test -n "$(node '{.status.conditions[?(@.type=="GatehouseTrusted")].status}')"
ok "and the condition"

# An agent's pod, as the kubelet of worker-1 would have it, and a call with its token.
create '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "agent", "namespace": "gatehouse-system"}, "spec": {"nodeName": "worker-1",
  "serviceAccountName": "gatehouse-agent", "automountServiceAccountToken": false, "containers": [{"name": "c", "image": "x"}]}}' >/dev/null
challenge() { # NODE TOKEN: the status of the answer
  printf '%s' "$ca" >"$DIR/ca.crt"
  curl -s -o "$DIR/out" -w '%{http_code}' --cacert "$DIR/ca.crt" --resolve gatehouse-attestation.$NS.svc:8444:10.0.0.1 -H "Authorization: Bearer $2" \
    -H 'Content-Type: application/json' -d "{\"node\": \"$1\", \"akName\": \"000b$(printf %064d 0)\", \"banks\": [\"sha256\"]}" https://gatehouse-attestation.$NS.svc:8444/v1/challenge
}
token() { K -n $NS create token gatehouse-agent --audience "$1" --bound-object-kind Pod --bound-object-name agent; }
agent_token=$(token gatehouse)
status=$(challenge worker-1 "$agent_token")
[[ $status != 401 && $status != 403 && $status != 503 ]] || fail "an agent for its own node: $status $(cat "$DIR/out")"
ok "an agent's token speaks for its own node ($status)"
[ "$(challenge worker-2 "$agent_token")" = 403 ] || fail "$(cat "$DIR/out")"
ok "and for no other"
[ "$(challenge worker-1 "$(token https://kubernetes.default.svc)")" = 401 ] || fail "$(cat "$DIR/out")"
ok "a token for another audience is nobody's"

for role in controller admission attestation; do
  metrics=$(curl -fsS "http://10.0.0.1:${METRICS[$role]}/metrics" | grep '^gatehouse_kube_requests_total')
  grep -q 'outcome="ok"' <<<"$metrics" || fail "$role asked nothing"
  denied=$(grep 'outcome="denied"' <<<"$metrics" | grep -v ' 0$' || true)
  [ -z "$denied" ] || fail "$role: $denied: $(grep kube-denied "$DIR/$role/log" | tail -2)"
  ok "$role needs no right that it does not have"
done
kill "${programs[@]}"
wait "${programs[@]}" || true
if H test gatehouse --filter name=gatehouse-test-policy >"$DIR/out" 2>&1; then fail "helm test without a webhook"; fi
ok "helm test fails while no webhook answers"
echo "$passed of $passed as expected"
