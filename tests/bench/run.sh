#!/usr/bin/env bash
# run.sh BIN_FOLDER: decisions in process; bundles; what is asked of registries; then decisions over TLS beside a bare handler on the same server in the
# same run. Ratios and counts matter; the machine does not. Fails at the end if requests, sockets or memory are not as was asked for.
set -euo pipefail
bin=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
connections=${CONNECTIONS:-8}
seconds=${BENCH_SECONDS:-5}
failed=0
cleanup() {
  exec 9>&- || true
  rm -rf "$work"
}
trap cleanup EXIT

echo "== in process, one thread (each beside the raw cost it contains)"
"$bin/decision_bench" --benchmark_format=console --benchmark_counters_tabular=true 2>/dev/null | tee "$work/decision.txt"
awk '
  /^[A-Z]/ { ns[$1] = $2 }
  function ratio(label, a, b, most) {
    if (ns[a] && ns[b]) printf "   %-58s %.2f x%s\n", label, ns[a] / ns[b], most ? " (asked for: at most " most " x)" : ""
  }
  END {
    ratio("warm decision / parse the JSON and echo the uid", "DecisionWarm", "BareJsonEcho")
    ratio("cold decision / one raw ECDSA P-256 verification", "DecisionCold", "RawVerifyEcdsaP256")
    ratio("quote verification / raw signature, ECDSA P-256", "QuoteVerifyEcdsaP256", "RawVerifyQuoteEcdsaP256", "1.3")
    ratio("quote verification / raw signature, RSA 2048", "QuoteVerifyRsa2048", "RawVerifyQuoteRsa2048", "1.3")
  }' "$work/decision.txt"

echo "== bundles: from the text to the claim, beside the raw signature checks that each contains (same keys, hashes, lengths)"
"$bin/bundle_bench" --benchmark_format=console 2>/dev/null | tee "$work/bundle.txt"
awk '
  /^[A-Z]/ { ns[$1] = $4 } # of the processor: nothing here waits
  function ratio(label, a, b) { if (ns[a] && ns[b]) printf "   %-58s %.2f x (asked for: at most 3 x)\n", label, ns[a] / ns[b] }
  END {
    ratio("keyless bundle, Rekor v1 / its 6 raw checks", "BundleVerifyRekorV1", "RawChecksOfBundleRekorV1")
    ratio("keyless bundle, Rekor v2 and a timestamp / its 8 raw checks", "BundleVerifyRekorV2", "RawChecksOfBundleRekorV2")
  }' "$work/bundle.txt"

echo "== event log of 64 kB: parsed, replayed in 3 banks and appraised, beside raw EVP_Digest over what any verifier of it must hash"
"$bin/boot_bench" --benchmark_format=console 2>/dev/null | tee "$work/boot.txt"
awk '
  /^[A-Z]/ { ns[$1] = $4 } # of the processor: nothing here waits
  function ratio(label, a, b) { if (ns[a] && ns[b]) printf "   %-58s %.2f x (asked for: under 3 x)\n", label, ns[a] / ns[b] }
  END { ratio("event log / its raw hashing", "BootLogAppraised", "RawHashingOfBootLog") }' "$work/boot.txt"

echo "== an IMA log of a million entries: template hashes, PCR 10 in two banks, look-up in a million reference digests"
"$bin/ima_bench" || failed=1

echo "== an image for the first time, its registry 20 ms away (TLS 1.3; 'connected': with open connections; round trips: requests that wait for another's answer)"
"$bin/round_trips" || failed=1

echo "== a burst: 500 pods with 200 images (half: key, .sig; half: keyless bundle), 20 at a time, over 20 connections to a registry 5 ms away"
"$bin/burst" || failed=1

echo "== over TLS 1.3, kept alive, $connections connections, server pinned to one core"
mkfifo "$work/stdin"
taskset -c 0 "$bin/bench_server" "$work" <"$work/stdin" >"$work/port" &
exec 9>"$work/stdin"
for _ in $(seq 100); do [ -s "$work/port" ] && break; sleep 0.05; done
port=$(cat "$work/port")
export BODY_FILE=$work/review.json
echo "   body $(stat -c %s "$BODY_FILE") bytes"
rate() { # PATH -> requests a second
  taskset -c 1 wrk -t1 -c"$connections" -d"${seconds}s" -s "$here/post.lua" "https://127.0.0.1:$port$1" >"$work/wrk.txt"
  if grep -q 'Non-2xx\|Socket errors' "$work/wrk.txt"; then cat "$work/wrk.txt" >&2; exit 1; fi
  awk '/Requests\/sec/ { print $2 }' "$work/wrk.txt"
}
rate /bare >/dev/null # warm up
for round in 1 2 3; do
  bare=$(rate /bare)
  warm=$(rate /validate)
  echo "$bare $warm" >>"$work/rates"
  awk -v r="$round" -v b="$bare" -v w="$warm" 'BEGIN { printf "   round %d: bare handler %.0f/s, warm decision %.0f/s, %.0f %%\n", r, b, w, 100 * w / b }'
done
awk '{ b += $1; w += $2 } END { printf "   mean: bare handler %.0f/s, warm decision %.0f/s, %.0f %% (asked for: 60 %%)\n", b / NR, w / NR, 100 * w / b }' "$work/rates"
half=$(awk '{ w += $2 } END { printf "%d", w / NR / 2 }' "$work/rates")
echo "   half load: $(taskset -c 1 "$bin/paced_load" "$port" /validate "$BODY_FILE" "$half" "$seconds" "$connections") (asked for: p99 under 2 ms)"
exit "$failed"
