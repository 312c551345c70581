# shellcheck shell=bash
# G6: another machine takes the name of a node that is trusted. Its boot is as good
# as can be, its TPM is genuine; but it is not the one that was bound to the name.

another_machine() {
  replace_machine 3 >>"$LOGS/cases.log" || return 1 # no subshell: it is where processes are known
  eventually 40 conflict_is_known || {
    WORDS="verdict $(attestation_field 3 '{.status.verdict}: {.status.message}'); agent: $(KG logs "$(agent_on 3)" --tail=1)"
    return 1
  }
  refused 'node-(conflict|untrusted|unknown)' "$(node 3)" -- \
    create demo "$(pod refused "$(pinned signed)" "$(bound_to 3)")" --dry-run=server || return 1
  WORDS+=" / the agent: $(KG logs "$(agent_on 3)" | grep -o '"reason":"node-conflict"' | head -1)"
}
conflict_is_known() { KG logs "$(agent_on 3)" | grep -q node-conflict; }

# The way to let it in is the admin's.
released() {
  OUT=$(K delete nodeattestation "$(node 3)" 2>&1) || return 1
  local since=$EPOCHREALTIME
  eventually 60 node_can_take 3
  WORDS="$OUT; node3: $(attestation_field 3 '{.status.verdict}') after $(seconds_since "$since") s"
  node_can_take 3 >/dev/null 2>&1
}

# A Node object that is made anew on the same machine is the same machine.
same_machine() {
  register_again 3 >>"$LOGS/cases.log" || return 1
  local since=$EPOCHREALTIME
  eventually 60 node_can_take 3
  WORDS="node3 registered again, the TPM is the same: $(attestation_field 3 '{.status.verdict}') after $(seconds_since "$since") s"
  node_can_take 3 >/dev/null 2>&1
}

if can replace-machine; then
  expect 'another machine under the name node3' 'not trusted' another_machine
  expect 'the admin deletes its NodeAttestation' 'bound anew, trusted' released
  expect 'Node object deleted, same machine registers again' 'trusted' same_machine
fi
