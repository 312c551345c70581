#!/usr/bin/env bash
# lifecycle.sh: the chart against a real API server: what is installed is what the server takes, each ServiceAccount may do what it needs and no more,
# an upgrade keeps what the leader wrote, an uninstall leaves nothing. Nothing of Gatehouse runs.
set -euo pipefail
# shellcheck source=tests/deploy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# may ACCOUNT VERB RESOURCE [NAME|-] [NAMESPACE] [SUBRESOURCE], may_not likewise
may() {
  local account=$1 verb=$2 resource=$3 name=${4:--} namespace=${5:-$NS} subresource=${6:-}
  [ "$name" = - ] || resource=$resource/$name
  K auth can-i --quiet --as "system:serviceaccount:$NS:gatehouse-$account" --namespace "$namespace" \
    --subresource="$subresource" "$verb" "$resource" 2>/dev/null
}
may_not() { ! may "$@"; }
rights() { # lines "may|may_not ACCOUNT VERB RESOURCE NAME NAMESPACE SUBRESOURCE" on standard input
  local line words
  while read -r line; do
    read -ra words <<<"$line"
    "${words[@]}" </dev/null || fail "$line"
    ok "$line"
  done
}

# What the leader makes and writes at run time.
act_as_leader() {
  local secret
  for secret in ca tls attestation; do
    K -n $NS create secret generic gatehouse-$secret --from-literal=x=y
    K -n $NS label secret gatehouse-$secret app.kubernetes.io/managed-by=gatehouse
  done
  K -n $NS create configmap gatehouse-public --from-literal=ca.crt=x
  K -n $NS create -f - <<<'{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "gatehouse-leader"}}'
  openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=x -days 1 -out "$DIR/ca.crt" 2>/dev/null
  K patch validatingwebhookconfiguration gatehouse --type=json \
    -p "[{\"op\": \"add\", \"path\": \"/webhooks/0/clientConfig/caBundle\", \"value\": \"$(base64 -w0 "$DIR/ca.crt")\"}]"
}
webhook() { K get validatingwebhookconfiguration gatehouse -o "jsonpath={.webhooks[0].$1}"; }

ours() { # every object of ours that there is, whatever its kind
  local kinds
  kinds=$(K api-resources --verbs=list -o name | grep -vE '^(events|componentstatuses|apiservices)' | paste -sd, -)
  K get "$kinds" --all-namespaces --ignore-not-found -o name 2>/dev/null | grep gatehouse | grep -v "^namespace/$NS\$" | sort || true
}
only_left() { [ "$(ours)" = "$1" ]; }
nothing_left() { [ -z "$(ours)" ]; }
deployments() { K -n $NS get deployments -o 'jsonpath={.items[*].metadata.name}'; }

not_labelled() { # NAMESPACE WHAT OPTION...
  if H install gatehouse "$CHART" --set image.repository=gatehouse "${@:3}" >"$DIR/out" 2>&1; then fail "$2 was accepted"; fi
  grep -q "kubectl label namespace $1 " "$DIR/out" || fail "$(cat "$DIR/out")"
}

check_install() {
  K create namespace $NS >/dev/null
  not_labelled $NS "an unlabelled namespace before 1.21"
  not_labelled unborn "a namespace before 1.21 that is not there yet" --namespace unborn --create-namespace
  K label namespace $NS gatehouse.dev/admission=exempt >/dev/null
  not_labelled kube-system "an unlabelled kube-system before 1.21"
  ok "before 1.21 namespaces must be labelled first"
  K label namespace kube-system gatehouse.dev/admission=exempt >/dev/null
  if H install gatehouse "$CHART" >"$DIR/out" 2>&1; then fail "an installation without image.repository was accepted"; fi
  grep -q 'image.repository: the image is yours' "$DIR/out" || fail "$(cat "$DIR/out")"
  ok "an installation names its image"
  H install gatehouse "$CHART" --set image.repository=gatehouse >"$DIR/out" 2>&1 || fail "$(cat "$DIR/out")"
  wait_for 10 K get imagepolicies
  ok "helm install"
}

check_upgrade() {
  local bundle
  act_as_leader >/dev/null
  bundle=$(webhook clientConfig.caBundle)
  H upgrade gatehouse "$CHART" --set image.repository=gatehouse --set log.level=debug,admission.timeoutSeconds=9 >"$DIR/out" 2>&1 || fail "$(cat "$DIR/out")"
  [ "$(webhook timeoutSeconds) $(webhook clientConfig.caBundle)" = "9 $bundle" ] || fail "caBundle after an upgrade"
  ok "helm upgrade keeps the caBundle"
  [ "$(K -n $NS get secret gatehouse-ca -o 'jsonpath={.data.x}')" = eQ== ] || fail "a Secret after an upgrade"
  ok "helm upgrade keeps the leader's Secrets"
  H upgrade gatehouse "$CHART" --set image.repository=gatehouse --set roles.split=true >"$DIR/out" 2>&1 || fail "$(cat "$DIR/out")"
  [ "$(deployments)" = "gatehouse-admission gatehouse-attestation gatehouse-controller" ] || fail "Deployments of split roles: $(deployments)"
  ok "helm upgrade splits the roles"
  rights <"$REPO/tests/deploy/rights.txt"
  H upgrade gatehouse "$CHART" --set image.repository=gatehouse --set networkPolicy.enabled=true,autoscaling.enabled=true,monitoring.dashboard.enabled=true,certificates.overlap=2h \
    --set agent.tpm.access=devicePlugin,agent.tpm.resource=tpm.example/tpmrm \
    --set registry.credentialsSecret=passwords,attestation.tokensSecret=tokens,attestation.service.type=NodePort >"$DIR/out" 2>&1 || fail "$(cat "$DIR/out")"
  ok "helm upgrade to everything that this server serves"
  H rollback gatehouse 1 >"$DIR/out" 2>&1 || fail "$(cat "$DIR/out")"
  [ "$(deployments)" = gatehouse-webhook ] || fail "Deployments after a rollback"
  ok "helm rollback"
}

check_uninstall() {
  local left
  H uninstall gatehouse >"$DIR/out" 2>&1 || fail "$(cat "$DIR/out")"
  left=$(ours)
  [ "$(grep -v '^customresourcedefinition' <<<"$left")" = secret/gatehouse-attestation ] || fail "left after an uninstall: $left"
  [ "$(grep -c '^customresourcedefinition' <<<"$left")" -eq 6 ] || fail "CRDs after an uninstall: $left"
  ok "helm uninstall keeps CRDs, and the key of what is kept in them, and nothing else"
  K -n $NS create serviceaccount default >/dev/null # which no controller makes here
  H template gatehouse "$CHART" --set image.repository=gatehouse --show-only templates/tests/test.yaml | K create --dry-run=server -f - >"$DIR/out" 2>&1 || fail "$(cat "$DIR/out")"
  ok "the objects of helm test"
  K -n $NS create secret generic gatehouse-ca --from-literal=ca.crt=own >/dev/null
  K -n $NS create secret generic gatehouse-tls --from-literal=tls.crt=x >/dev/null
  K -n $NS annotate secret gatehouse-tls cert-manager.io/certificate-name=gatehouse-tls >/dev/null
  H install gatehouse "$CHART" --set image.repository=gatehouse --set crds.keep=false,mutate.enabled=false,csr.approve=true,attestation.service.clusterIP=10.96.0.77 >"$DIR/out" 2>&1 || fail "$(cat "$DIR/out")"
  ok "helm install takes the CRDs over that were kept"
  rights <<<"may webhook update certificatesigningrequests.certificates.k8s.io - default approval"
  H uninstall gatehouse >"$DIR/out" 2>&1 || fail "$(cat "$DIR/out")"
  wait_for 20 only_left secret/gatehouse-ca
  ok "helm uninstall keeps a CA that was there before, and takes what cert-manager made"
  K -n $NS delete secret gatehouse-ca >/dev/null
  nothing_left || fail "$(ours)"
  ok "helm uninstall with crds.keep=false leaves nothing"
}

start_api_server
check_install
check_upgrade
check_uninstall
echo "$passed of $passed as expected"
