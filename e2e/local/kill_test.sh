#!/usr/bin/env bash
# kill_test.sh [SECONDS...]: starts run.sh, kills it with SIGKILL after each of the
# given times, and checks that nothing of it is left on the machine: no process,
# no mount, no network namespace or interface, no control group, no file.
#
# Prints one line for each kill and ends with `N of N kills left nothing behind`.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
MOMENTS=("$@")
[ ${#MOMENTS[@]} -gt 0 ] || MOMENTS=(0.3 3 8 14 20)
OUTPUT=$(mktemp)
trap 'rm -f "$OUTPUT"' EXIT

# What of the machine a run could change, one thing a line. Processes are known by
# a mark in their environment that the run's programs inherit, and those without
# it, in containers, by namespaces that were not there before.
MARK=GATEHOUSE_KILL_TEST=$$-$RANDOM

marked_processes() {
  local file
  for file in $(grep -lzx "$MARK" /proc/[0-9]*/environ 2>/dev/null || true); do
    file=${file%/environ}
    echo "process ${file#/proc/}: $(tr '\0' ' ' <"$file/cmdline" | cut -c1-80)"
  done 2>/dev/null
}

traces() {
  marked_processes
  { readlink /proc/[0-9]*/ns/{mnt,net,pid} 2>/dev/null || true; } | sort -u | sed 's/^/namespace: /'
  sed 's/^/mount: /' /proc/mounts
  ip -o link | sed -E 's/^[0-9]+: ([^ ]+) .*/interface: \1/'
  ls -d /run/netns/* /run/gatehouse-e2e* /var/log/pods /var/log/containers \
    /var/lib/kubelet /var/lib/cni /etc/cni 2>/dev/null || true
  find /sys/fs/cgroup -maxdepth 2 -name 'gatehouse-e2e-*'
  grep -H . /proc/sys/net/ipv4/ip_forward /proc/sys/vm/overcommit_memory /proc/sys/kernel/panic{,_on_oops}
  { iptables-save 2>/dev/null || true; } | sed -n 's/^-A/iptables: -A/p'
}

# kill_after SECONDS: true if the traces before and after are the same. The end of
# the namespaces is not instant; five seconds are allowed for it.
kill_after() {
  local before after run i stage
  before=$(traces)
  env "$MARK" "$HERE/run.sh" >"$OUTPUT" 2>&1 &
  run=$!
  sleep "$1"
  # A check that never sees anything would be content with anything.
  [ "$(traces)" != "$before" ] || {
    echo "after $1 s no trace of a run could be seen; its last words:"
    tail -n 5 "$OUTPUT"
    kill -9 "$run" 2>/dev/null || true
    return 1
  }
  kill -9 "$run" 2>/dev/null || {
    echo "run.sh had ended before it could be killed:"
    tail -5 "$OUTPUT"
    return 1
  }
  wait "$run" 2>/dev/null || true
  stage=$(grep -v '^ *$' "$OUTPUT" | tail -n 1 | cut -c1-60)
  for ((i = 0; i < 50; i++)); do
    after=$(traces)
    [ "$after" != "$before" ] || {
      printf 'killed after %5s s: nothing left after %s s   (was at: %s)\n' "$1" "$((i / 10)).$((i % 10))" "$stage"
      return 0
    }
    sleep 0.1
  done
  printf 'killed after %5s s: LEFT BEHIND   (was at: %s)\n' "$1" "$stage"
  diff <(echo "$before") <(echo "$after") || true
  return 1
}

"$HERE/bootstrap.sh"
CLEAN=0
for moment in "${MOMENTS[@]}"; do
  if kill_after "$moment"; then CLEAN=$((CLEAN + 1)); fi
done
printf '%d of %d kills left nothing behind\n' $CLEAN ${#MOMENTS[@]}
[ $CLEAN = ${#MOMENTS[@]} ]
