# shellcheck shell=bash
# What the run itself keeps running, each with a log of its own.

declare -A PIDS=()

# start NAME CMD...: in the background.
start() {
  local name=$1
  shift
  "$@" >>"$LOGS/$name.log" 2>&1 </dev/null &
  PIDS[$name]=$!
}

# stop NAME [SIGNAL]
stop() {
  local pid=${PIDS[$1]}
  unset "PIDS[$1]"
  kill "-${2:-TERM}" "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}

# A server that died explains a missing answer better than a timeout does.
explain_failure() {
  local name
  for name in "${!PIDS[@]}"; do
    kill -0 "${PIDS[$name]}" 2>/dev/null || {
      tail -n 15 "$LOGS/$name.log" >&2
      die "$name ended by itself; its last words are above"
    }
  done
}

# job NAME CMD...: part of the set-up that runs beside the rest.
declare -A JOBS=()
job() {
  local name=$1
  shift
  "$@" >>"$LOGS/job-$name.log" 2>&1 &
  JOBS[$name]=$!
}

join() {
  wait "${JOBS[$1]}" && return 0
  cat "$LOGS/job-$1.log" >&2
  die "the part '$1' of the set-up failed; its words are above"
}
