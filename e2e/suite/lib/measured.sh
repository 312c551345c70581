# shellcheck shell=bash
# What is trusted of boots and of files, made from a machine that is known to be good. `gatehouse_cli` is the provider's.

# proposed NAME LOG COMMAND_LINE TRUST_ROOT FILES: ReferenceValues and a NodePolicy for the node NAME, as `gatehouse measure boot` proposes them of a
# log, with what an admin changes in them: the node, the TrustRoot, enforcement, and that the files it runs are judged as well.
proposed() {
  gatehouse_cli measure boot --log "$2" --name "$1" --set "$1" --command-line "$3" |
    sed -E -e "s/^(    - glob: ).*/\1$1/" -e 's/^  mode: .*/  mode: enforce/' -e "s/^  mode: .*/&\n  validity: $VALIDITY/" \
      -e "s/^      - tpm-manufacturers.*/      - $4/" -e "s/^    referenceValues:/&\n      - $5/"
  echo '    ima: {}'
}

# file_values NAME: ReferenceValues of the files that standard input lists as sha256sum does.
file_values() {
  cat <<Y
apiVersion: gatehouse.dev/v1alpha1
kind: ReferenceValues
metadata: {name: $1}
spec:
  sets:
  - name: files
    tpm:
      ima:
        sha256sums: |
$(indent 10)
Y
}
