# shellcheck shell=bash disable=SC2034 # other files read what is set here
# What others sign with: cosign 2 and 3, notation. Images of repositories of their
# own, so that each has a policy of its own.

ATTESTED=$REGISTRY/attested
NOTARY=$REGISTRY/notary
KEYLESS=$REGISTRY/keyless
SOURCE=https://github.com/example/app
WORKFLOW=$SOURCE/.github/workflows/release.yml@refs/heads/main
ISSUER=https://token.actions.githubusercontent.com

# Debian unstable has these two, and moves: what could not be had is left out.
has() { command -v "$1" >/dev/null; }

# cosign_with PROGRAM VERB OPTION... REFERENCE: keyed, without any log. The registry by its address: cosign stores bundles
# by plain HTTP only where that cannot be another's host, whatever it is told.
cosign_with() {
  local program=$1 verb=$2
  shift 2
  [ "$program" != cosign3 ] || set -- --use-signing-config=false "$@"
  set -- "${@/#$REGISTRY\//$REGISTRY_IP:${REGISTRY#*:}/}"
  COSIGN_PASSWORD='' "$program" "$verb" --yes --tlog-upload=false --allow-insecure-registry --allow-http-registry "$@" \
    >>"$LOGS/cosign.log" 2>&1
}

# provenance REF: SLSA v1, of a GitHub workflow.
provenance() {
  jq -n --arg source "$SOURCE" --arg ref "$1" '{
    buildDefinition: {buildType: "https://actions.github.io/buildtypes/workflow/v1",
      externalParameters: {workflow: {ref: $ref, repository: $source, path: ".github/workflows/release.yml"}},
      resolvedDependencies: [{uri: "git+\($source)@\($ref)", digest: {gitCommit: "0123456789012345678901234567890123456789"}}]},
    runDetails: {builder: {id: "https://github.com/actions/runner/github-hosted"}, metadata: {invocationId: "1"}}}'
}

# attest PROGRAM VARIANT REF [OPTION...]
attest() {
  local program=$1 variant=$2 ref=$3
  shift 3
  provenance "$ref" >"$STATE/provenance-$variant.json"
  cosign_with "$program" attest --key "$PKI/release.key" --type slsaprovenance1 --predicate "$STATE/provenance-$variant.json" \
    "$@" "$ATTESTED@$(digest_of "$variant")"
}

# notary_key NAME: a certificate of the CA NAME, as notation's requirements have it, and notation's own settings for it.
notary_key() {
  local name=$1 dir=$STATE/notary
  mkdir -p "$dir/config"
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/$name-ca.key" -out "$PKI/$name-ca.crt" -days 30 \
    -subj "/C=US/ST=WA/O=$name/CN=$name root" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
  openssl req -newkey rsa:2048 -nodes -keyout "$dir/$name.key" -out "$dir/$name.csr" -subj "/C=US/ST=WA/O=$name/CN=release"
  openssl x509 -req -in "$dir/$name.csr" -CA "$PKI/$name-ca.crt" -CAkey "$dir/$name-ca.key" -CAcreateserial -days 30 \
    -out "$dir/$name.crt" -extfile <(printf '%s\n' basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature extendedKeyUsage=codeSigning)
  cat "$dir/$name.crt" "$PKI/$name-ca.crt" >"$dir/$name-chain.crt"
  jq -n --arg name "$name" --arg dir "$dir" \
    '{keys: [{name: $name, keyPath: "\($dir)/\($name).key", certPath: "\($dir)/\($name)-chain.crt"}]}' >"$dir/$name.json"
} >>"$LOGS/notation.log" 2>&1

# notarize VARIANT NAME FORMAT
notarize() {
  local config=$STATE/notary/config/notation
  mkdir -p "$config"
  cp "$STATE/notary/$2.json" "$config/signingkeys.json"
  XDG_CONFIG_HOME=$STATE/notary/config notation sign --insecure-registry --key "$2" --signature-format "$3" -m stage=tested \
    "$NOTARY@$(digest_of "$1")" >>"$LOGS/notation.log" 2>&1
}

# forge VARIANT BUNDLE...: what a workflow of GitHub leaves, by the tests' own Sigstore: there is no other to ask here.
forge() {
  local variant=$1
  shift
  "$GATEHOUSE_FORGE" "$(digest_of "$variant")" "$STATE/forge/$variant"
  (cd "$STATE/forge/$variant" && "$SUITE/images/push_bundle.py" "http://$REGISTRY" keyless "$(digest_of "$variant")" "$@")
}

# prepare_signers: by prepare_images, which makes the keys.
prepare_signers() {
  local tag
  for tag in att-legacy att-bundle att-branch att-none; do push "attested:$tag" $tag /bin/busybox sleep 3600; done
  attest cosign att-legacy refs/heads/main
  attest cosign att-bundle refs/heads/main --new-bundle-format
  attest cosign att-branch refs/heads/experiment --new-bundle-format
  cosign_with cosign sign --key "$PKI/release.key" "$ATTESTED@$(digest_of att-none)"
  if [ -n "${GATEHOUSE_FORGE:-}" ]; then
    for tag in keyless keyless-v2 keyless-elsewhere; do push "keyless:$tag" $tag /bin/busybox sleep 3600; done
    forge keyless signature.json provenance.json
    forge keyless-v2 signature-v2.json
    forge keyless-elsewhere signature.json
  fi
  if has cosign3; then
    for tag in cosign3 cosign3-stranger; do push_app $tag $tag; done
    cosign_with cosign3 sign --key "$PKI/release.key" "$APP@$(digest_of cosign3)"
    cosign_with cosign3 sign --key "$PKI/stranger.key" "$APP@$(digest_of cosign3-stranger)"
  fi
  if has notation; then
    for tag in jws cose elsewhere; do push "notary:$tag" "notary-$tag" /bin/busybox sleep 3600; done
    notary_key acme
    notary_key other
    notarize notary-jws acme jws
    notarize notary-cose acme cose
    notarize notary-elsewhere other jws
  fi
}

# attested_policy: provenance by the release key, of our repository's main branch.
attested_policy() {
  image_policy attested release enforce "$ATTESTED" | sed '/^  mode:/i\
    attestations:\
    - name: provenance\
      predicateType: slsaprovenance1\
      slsa: {sourceRepository: "'"$SOURCE"'", sourceRef: refs/heads/main}'
}

# notary_policy: Notation's own trust policy, and its trust store.
notary_policy() {
  cat <<Y
apiVersion: gatehouse.dev/v1alpha1
kind: TrustRoot
metadata: {name: acme}
spec:
  notation:
    ca:
      acme: |
$(indent 8 <"$PKI/acme-ca.crt")
---
apiVersion: gatehouse.dev/v1alpha1
kind: ImagePolicy
metadata: {name: notary}
spec:
  images: [{glob: "$NOTARY"}]
  authorities:
  - name: acme
    notation:
      trustPolicy:
        version: "1.0"
        trustPolicies:
        - name: acme
          registryScopes: ["*"]
          signatureVerification: {level: strict}
          trustStores: ["ca:acme"]
          trustedIdentities: ["x509.subject: C=US, ST=WA, O=acme"]
    annotations: {stage: tested}
    trustRoots: [acme]
  mode: enforce
Y
}

# keyless_policy VARIANT...: by the workflow, under the Sigstores that signed the variants.
keyless_policy() {
  local variant
  for variant in "$@"; do
    cat <<Y
apiVersion: gatehouse.dev/v1alpha1
kind: TrustRoot
metadata: {name: $variant}
spec:
  sigstore:
    trustedRoot: $(jq -c . "$STATE/forge/$variant/trusted_root.json")
---
Y
  done
  cat <<Y
apiVersion: gatehouse.dev/v1alpha1
kind: ImagePolicy
metadata: {name: keyless}
spec:
  images: [{glob: "${KEYLESS_GLOB:-$KEYLESS}"}]
  authorities:
  - name: workflow
    keyless:
      identities:
      - issuer: $ISSUER
        subjectRegExp: $SOURCE/[.]github/workflows/.*@refs/heads/main
        claims: {sourceRepositoryURI: $SOURCE}
    trustRoots: [$(IFS=,; echo "$*")]
  mode: enforce
Y
}
