# shellcheck shell=bash disable=SC2034 # other files read what is set here
# What cosign 2 and 3 and notation leave in a registry: signatures, attestations,
# bundles as referrers, envelopes. This registry has no referrers API, so all of
# them use its fallback, a tag; one that has it is in the tests.

dry_run() { create demo "$(pod any "$1")" --dry-run=server; }

policies_for_signers() {
  OUT=$({ attested_policy && { ! has notation || { echo --- && notary_policy; }; }; } | K apply -f - 2>&1) || return 1
  WORDS=$OUT
  eventually 40 in_force imagepolicy attested 2 || return 1
  ! has notation || eventually 40 in_force imagepolicy notary 2
}

policy_for_workflow() {
  OUT=$(keyless_policy keyless keyless-v2 | K apply -f - 2>&1) || return 1
  WORDS=$OUT
  eventually 40 in_force imagepolicy keyless 2
}

another_workflow() {
  K patch imagepolicy keyless --type=json -p '[{"op": "replace", "path": "/spec/authorities/0/keyless/identities/0/subjectRegExp",
    "value": "'"$SOURCE"'-evil/.*"}]' >/dev/null || return 1
  soon 15 refused signer-mismatch "$SOURCE" -- dry_run "$KEYLESS:keyless"
}

expect 'policies that ask for provenance, and for Notation' 'in force on 2 replicas' policies_for_signers
expect 'provenance by cosign 2, its own layout' 'admitted' admitted dry_run "$ATTESTED:att-legacy"
expect 'provenance by cosign 2, a bundle as referrer' 'admitted' admitted dry_run "$ATTESTED:att-bundle"
expect 'provenance of another branch' 'refused' refused predicate-mismatch refs/heads/experiment -- dry_run "$ATTESTED:att-branch"
expect 'signed, but no provenance' 'refused' refused attestation-missing -- dry_run "$ATTESTED:att-none"
if [ -n "${GATEHOUSE_FORGE:-}" ]; then
  expect 'policy for a workflow, without any key' 'in force on 2 replicas' policy_for_workflow
  expect 'signed by the workflow: certificate, log, bundle' 'admitted' admitted dry_run "$KEYLESS:keyless"
  expect 'signed by the workflow: Rekor v2 and a timestamp' 'admitted' admitted dry_run "$KEYLESS:keyless-v2"
  expect 'the same, but under a Sigstore that nobody trusts' 'refused' refused 'untrusted|certificate-untrusted' -- dry_run "$KEYLESS:keyless-elsewhere"
  expect 'another workflow is asked for' 'refused' another_workflow
else
  echo '     left out: keyless signatures (need gatehouse-forge, which make test builds)'
fi
if has cosign3; then
  expect 'signed by cosign 3: a bundle as referrer' 'admitted' admitted dry_run "$APP:cosign3"
  expect 'signed by cosign 3 with another key' 'refused' refused signature-invalid -- dry_run "$APP:cosign3-stranger"
else
  echo '     left out: cosign 3 (could not be had)'
fi
if has notation; then
  expect 'signed by notation, JWS' 'admitted' admitted dry_run "$NOTARY:jws"
  expect 'signed by notation, COSE' 'admitted' admitted dry_run "$NOTARY:cose"
  expect 'signed by notation under another CA' 'refused' refused certificate-untrusted -- dry_run "$NOTARY:elsewhere"
else
  echo '     left out: notation (could not be had)'
fi
