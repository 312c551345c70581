# shellcheck shell=bash
# Control groups are the one thing of a run that no namespace takes along when
# it ends: they are directories of the machine. Each run keeps its own under one
# parent, /RUN_ID, whose name tells which process it belongs to, so that whoever
# comes later can see that it is dead and clear it away.

CGROUPS=/sys/fs/cgroup
RUN_PREFIX=gatehouse-e2e

# start_time PID: the clock tick that the process began at; with the pid it
# names a process for good, while a pid alone is given out again.
start_time() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  stat=${stat##*) } # the name in parentheses may hold spaces
  cut -d' ' -f20 <<<"$stat"
}

run_id_of() { echo "$RUN_PREFIX-$1-$(start_time "$1")"; }

cgroup_is_v2() { [ "$(stat -fc %T $CGROUPS)" = cgroup2fs ]; }

# cgroup_roots: one line per hierarchy.
cgroup_roots() {
  if cgroup_is_v2; then echo $CGROUPS; else printf '%s\n' $CGROUPS/*/ | sed 's,/$,,'; fi
}

# make_cgroup PATH: PATH in each hierarchy, usable for kubelet as cgroupRoot.
make_cgroup() {
  local root parent level
  while read -r root; do
    parent=$root
    for level in $(tr / ' ' <<<"$1"); do
      pass_controllers_on "$parent"
      mkdir -p "$parent/$level"
      copy_cpuset "$parent" "$parent/$level"
      parent=$parent/$level
    done
    pass_controllers_on "$parent"
  done < <(cgroup_roots)
}

# v2: a child has only those controllers that its parent hands down.
pass_controllers_on() {
  cgroup_is_v2 || return 0
  local controller
  for controller in $(cat "$1/cgroup.controllers"); do
    echo "+$controller" 2>/dev/null >"$1/cgroup.subtree_control" || true
  done
}

# v1: a new cpuset is empty, and nothing may join it until it is filled.
copy_cpuset() {
  case $1 in $CGROUPS/cpuset*) ;; *) return 0 ;; esac
  cat "$1/cpuset.cpus" >"$2/cpuset.cpus"
  cat "$1/cpuset.mems" >"$2/cpuset.mems"
}

# remove_cgroup RUN_ID: true once nothing of it is left.
remove_cgroup() {
  local root left=0
  while read -r root; do
    [ -d "$root/$1" ] || continue
    find "$root/$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
    [ ! -d "$root/$1" ] || left=1
  done < <(cgroup_roots)
  return $left
}

# remove_dead_cgroups: those of earlier runs that nobody could tidy up after.
remove_dead_cgroups() {
  local name pid
  while read -r name; do
    pid=${name#"$RUN_PREFIX"-}
    pid=${pid%-*}
    [ "$(run_id_of "$pid" 2>/dev/null)" = "$name" ] || remove_cgroup "$name" || true
  done < <(cgroup_roots | while read -r root; do
    find "$root" -maxdepth 1 -name "$RUN_PREFIX-*" -printf '%f\n'
  done | sort -u)
}
