# shellcheck shell=bash
# What a machine runs that nobody listed is named, and so is another way to boot.

run_unknown() {
  on direct 'cp /usr/bin/true /usr/local/bin/implant && printf x >>/usr/local/bin/implant && /usr/local/bin/implant' || return 1
  untrusted direct ima-file-unlisted /usr/local/bin/implant
}

# Already there when nothing is run: only what is run counts.
run_replaced() {
  on direct 'cp /usr/bin/true /run/true && printf x >>/run/true && cp /run/true /usr/bin/true && /usr/bin/true' || return 1
  untrusted direct ima-file-unlisted /usr/bin/true
}

reboots() {
  local before
  before=$(on direct 'cat /proc/sys/kernel/random/boot_id') || return 1
  power_off direct && keep_tpm direct || return 1
  power_on direct
  booted direct && [ "$before" != "$(on direct 'cat /proc/sys/kernel/random/boot_id')" ] && trusted direct
}

other_command_line() {
  power_off direct || return 1
  power_on direct "$COMMAND_LINE mitigations=off"
  booted direct && untrusted direct command-line-refused
}

secure_boot_off() {
  power_off secure || return 1
  set_variables secure OVMF_VARS_4M.fd
  power_on_secure secure
  booted secure && untrusted secure secure-boot-off
}

rewound() {
  power_off direct && put_tpm_back direct || return 1
  power_on direct
  booted direct && untrusted direct 'clock-rewound|tpm-cleared'
}

expect 'a program that nobody listed is run' 'refused, by its path' run_unknown
expect 'a program is replaced, and run' 'refused, by its path' run_replaced
expect 'the machine is restarted' 'trusted' reboots
expect 'another kernel command line' 'refused' other_command_line
expect 'Secure Boot off, all else the same' 'refused' secure_boot_off
expect 'the TPM put back to where it was before the restarts' 'refused: no restart' rewound
