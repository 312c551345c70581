# shellcheck shell=bash
# The policies of the run, as their admin writes them with kubectl.

TRUSTED_PCRS=(0 2 4 7 9)
VALIDITY=20s

apply() { K apply -f - <<<"$1"; }

# image_policy NAME KEY [MODE] [GLOB]: images signed by the key.
image_policy() {
  cat <<Y
apiVersion: gatehouse.dev/v1alpha1
kind: ImagePolicy
metadata: {name: $1}
spec:
  images: [{glob: "${4:-$APP}"}]
  authorities:
  - name: $2
    key:
      data: |
$(indent 8 <"$PKI/$2.pub")
  mode: ${3:-enforce}
  onUnavailable: deny
Y
}

namespaced() { sed "s/^kind: ImagePolicy/kind: NamespacedImagePolicy/; s/^metadata: {/metadata: {namespace: $1, /"; }

# The reference values are what a good boot measured: those of node1, now.
node_policy() {
  [ -s "$STATE/pcrs" ] || pcr_values 1 "${TRUSTED_PCRS[@]}" >"$STATE/pcrs"
  cat <<Y
apiVersion: gatehouse.dev/v1alpha1
kind: NodePolicy
metadata: {name: measured-boot}
spec:
  nodes: [{glob: "*"}]
  mode: enforce
  validity: $VALIDITY
  tpm:
    trustRoots: [swtpm]
    pcrs:
      bank: sha256
      values:
$(sed -E 's/^([0-9]+) ([0-9a-f]+)$/        "\1": ["\2"]/' "$STATE/pcrs")
Y
}

trust_root() {
  cat <<Y
apiVersion: gatehouse.dev/v1alpha1
kind: TrustRoot
metadata: {name: swtpm}
spec:
  tpm:
    certificates: |
$(indent 6 <"$STATE/tpm-ca/roots.pem")
Y
}

# untrusted_taint JSON|null: what becomes of the node when it is not trusted.
untrusted_taint() { K patch nodepolicy measured-boot --type=merge -p "{\"spec\": {\"untrusted\": $1}}"; }

# in_force KIND NAME REPLICAS: the status says so, for the generation that is there.
in_force() {
  K get "$1" "$2" -o json | jq -e --argjson n "$3" '
    .status.observedGeneration == .metadata.generation and .status.replicas.inForce == $n and
    any(.status.conditions[]; .type == "InForce" and .status == "True")'
}
