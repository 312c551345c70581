# shellcheck shell=bash
# The images of the cases: one static busybox, in variants that differ by one
# environment variable, so that each has a digest of its own. Signatures are made
# by cosign.

APP=$REGISTRY/app

digest_of() { cat "$STATE/digests/$1"; }

# push NAME:TAG VARIANT COMMAND...
push() {
  local reference=$1 variant=$2
  shift 2
  "$SUITE/images/push_image.py" "http://$REGISTRY" "$reference" "$variant" "$@" >"$STATE/digests/$variant"
}

push_app() { push "app:$1" "$2" /bin/busybox sleep 3600; }

# sign VARIANT KEY: a keyed signature without any transparency log, as a cluster
# without internet has them.
sign() {
  COSIGN_PASSWORD='' cosign sign --yes --tlog-upload=false --allow-insecure-registry --allow-http-registry \
    --key "$PKI/$2.key" "$APP@$(digest_of "$1")" >>"$LOGS/cosign.log" 2>&1
}

make_signing_keys() {
  local key
  for key in release stranger team; do
    (cd "$PKI" && COSIGN_PASSWORD='' cosign generate-key-pair --output-key-prefix $key) >>"$LOGS/cosign.log" 2>&1
  done
}

# `both` has a signature of the release key and one of the team's.
prepare_images() {
  local tag
  mkdir -p "$STATE/digests"
  make_signing_keys
  # What a pod's sandbox runs, where the provider has no other. containerd pulls
  # it, no pod names it, so it never passes admission.
  push pause:3.2 pause /bin/tini -s -- /bin/busybox sleep 86400
  for tag in signed unsigned stranger moving cold both; do push_app $tag $tag; done
  for tag in signed moving cold both; do sign $tag release; done
  sign both team
  sign stranger stranger
  prepare_signers
}

# push_gatehouse TAG: the image that helm installs, from its archive.
push_gatehouse() {
  "$SUITE/images/push_archive.py" "http://$REGISTRY" "gatehouse:$1" "$GATEHOUSE_IMAGE" >"$STATE/digests/gatehouse-$1"
}
