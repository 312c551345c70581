# shellcheck shell=bash disable=SC2034 # other files read what is set here
# node1 again, by what it measured and not by PCR values alone: a NodePolicy on the events of its boot and on the files that it runs, made of its own
# logs. Root on the node may write into the logs what it likes; what the TPM was told it cannot take back.

# judged SECONDS PATTERN...: a pod is refused on node1, in these words.
judged() {
  local seconds=$1
  shift
  soon "$seconds" refused "$@" -- create demo "$(pod refused "$(pinned signed)" "$(bound_to 1)")" --dry-run=server
}

trusted_on_node1() {
  local since=$EPOCHREALTIME
  eventually 60 both_policies_content || {
    WORDS="verdict $(attestation_field 1 '{.status.verdict}: {.status.message}')"
    return 1
  }
  WORDS="node1 Trusted after $(seconds_since "$since") s${1:+; $1}"
}
# By a result that is newer than what was done to the node.
both_policies_content() { attested_after 1 "$BEFORE" && verdict_is 1 Trusted && node_can_take 1; }
now() { BEFORE=$(date -u +%Y-%m-%dT%H:%M:%SZ); }

events_and_files() {
  local log
  log=$(measurements 1)/tpm0/binary_bios_measurements
  "$SUITE/tpm/measurements.py" list | file_values files >"$STATE/files.yaml" &&
    proposed "$(node 1)" "$log" '' swtpm files >"$STATE/events.yaml" || return 1
  OUT=$(K apply -f "$STATE/files.yaml" -f "$STATE/events.yaml" 2>&1) && eventually 40 in_force nodepolicy "$(node 1)" 2 || return 1
  now
  trusted_on_node1 "$(grep -v '^Warning' <<<"$OUT" | paste -sd,)"
}

# changed VERB PATTERN...: the logs are, and then they are what they were.
changed() {
  local verb=$1 status
  shift
  measured 1 "$verb"
  judged 40 "$@"
  status=$?
  measured 1 repair
  now
  return $status
}

log_missing() {
  local status log
  log=$(measurements 1)/$1
  mv "$log" "$log.gone"
  judged 40 "$2"
  status=$?
  mv "$log.gone" "$log"
  now
  return $status
}

grows() {
  now
  measured 1 next && trusted_on_node1 "entries, and the last: $("$SUITE/tpm/measurements.py" last "$(measurements 1)")"
}

# By a replica that has seen all of it.
shortened() {
  trusted_on_node1 && changed ima-shorten ima-log-truncated
}

# After a log that was refused all of it is wanted again, so that the old entries are seen as well.
rewritten() {
  measured 1 ima-shorten
  judged 40 ima-log-truncated
  measured 1 repair
  changed ima-rewrite ima-log-rewritten
}

# What the API server is told may be cut behind the path; the audit log has all of it.
runs_unlisted() {
  measured 1 run /usr/local/bin/implant
  judged 40 /usr/local/bin/implant || return 1
  says "$(audited_about /usr/local/bin/implant)" ima-file-unlisted /usr/local/bin/implant
}
audited_about() {
  local pod
  for pod in $(webhook_pods); do KG logs "$pod" --tail=100; done | grep '"level":"audit"' | grep -F "$1" | tail -n 1 |
    jq -r '.findings[] | "\(.reason): \(.detail)"'
}

# The log is shorter than before, and rightly so.
boots_again() { reboot_tpm 1 && now && trusted_on_node1 'the log is as short as after the first boot'; }

violates() {
  measured 1 violation /var/lib/kubelet/state
  judged 40 ima-violation /var/lib/kubelet/state
}

# lies LIE PATTERN: somebody between the agent and the TPM.
lies() {
  local status=0
  lying_tpm 1 "$1" && judged 40 "$2" || status=1
  honest_tpm 1
  now
  return $status
}

now
expect 'NodePolicy on the events and files of node1, from its logs' 'trusted' events_and_files
expect 'a digest in the boot log is changed' 'refused' changed event-digest event-log-mismatch
expect 'what a boot event says is changed, its digest is not' 'refused' changed event-data event-data-mismatch
expect 'a boot event is left out' 'refused' changed event-drop event-log-mismatch
expect 'the boot log ends in the middle of an event' 'refused' changed event-cut event-log-malformed
expect 'no boot log' 'refused' log_missing tpm0/binary_bios_measurements event-log-missing
expect 'no IMA log' 'refused' log_missing ima/binary_runtime_measurements ima-log-missing
expect 'both logs as they were' 'trusted' trusted_on_node1
expect 'a file of the list is run: the IMA log grows' 'trusted' grows
expect 'the template hash of a new IMA entry is changed' 'refused' changed next-changed ima-template-mismatch
expect 'a new IMA entry is left out' 'refused' changed next-dropped ima-log-mismatch
expect 'the IMA log is shortened' 'refused' shortened
expect 'entries of the IMA log are replaced' 'refused' rewritten
expect 'the IMA log as it was' 'trusted' trusted_on_node1
expect 'a file that nobody listed is run' 'refused, by its path' runs_unlisted
expect 'node1 is restarted' 'trusted' boots_again
expect 'a file changes while it is measured (violation)' 'refused, by its path' violates
expect 'node1 is restarted' 'trusted' boots_again
expect 'the signature of the quote is changed on the way' 'refused' lies signature signature-invalid
expect 'an earlier quote is sent again' 'refused' lies replay nonce-mismatch
expect 'the TPM itself answers again' 'trusted' trusted_on_node1
K delete -f "$STATE/events.yaml" -f "$STATE/files.yaml" >/dev/null 2>&1
eventually 60 node_can_take 1
