# shellcheck shell=bash
# How a case is judged and printed.
#
# A case is a function that is true if all was as expected, and that leaves in
# WORDS what the API server said, or in SCREEN what a terminal shows. It runs as a condition, where `set -e` does not
# apply: each step of it ends in `|| return 1`, or is the last.

CASES=0
AS_EXPECTED=0
WORDS=
SCREEN=
OUT=

# expect TITLE EXPECTATION FUNCTION ARGS...: runs one case and prints its row.
expect() {
  local title=$1 expectation=$2 since=$EPOCHREALTIME outcome color
  shift 2
  WORDS='' SCREEN='' OUT=''
  CASES=$((CASES + 1))
  echo "case $CASES: $title" >>"$LOGS/cases.log"
  if "$@" 2>>"$LOGS/cases.log"; then
    AS_EXPECTED=$((AS_EXPECTED + 1)) outcome=ok color=32
  else
    outcome='NOT AS EXPECTED' color=31
    [ -n "$WORDS$SCREEN" ] || WORDS=$OUT
    [ -n "$WORDS$SCREEN" ] || WORDS='(nothing was said)'
  fi
  [ ! -t 1 ] || outcome=$'\e['"${color}m$outcome"$'\e[0m'
  printf '%3d  %-66s %-28s %4s s  %s\n' $CASES "$title" "$expectation" "$(seconds_since "$since")" "$outcome"
  [ -z "$SCREEN" ] || sed 's/^/       /' <<<"$SCREEN"
  [ -z "$WORDS" ] || shorten <<<"$WORDS" | fold -s -w 110 | sed 's/^/       /'
}

# shorten: what kubectl and the API server put around the message is the same in
# every row, and 52 of the 64 digits of a digest help nobody.
shorten() {
  tr '\n' ' ' | sed -E '
    s/error when (creating|applying patch)[^:]*: //
    s/^error: //
    s/admission webhook "[a-z]+\.gatehouse\.dev" denied the request/denied the request/
    s/\b([0-9a-f]{12})[0-9a-f]{52}\b/\1.../g
    s/ +$//' | cut -c1-700
}

# admitted CMD...: the request is let through.
admitted() { OUT=$("$@" 2>&1) && WORDS=$OUT; }

# warned PATTERN... -- CMD...: let through, with a warning that holds the patterns.
warned() {
  local patterns=('Warning:')
  while [ "$1" != -- ]; do
    patterns+=("$1")
    shift
  done
  shift
  OUT=$("$@" 2>&1) || return 1
  says "$OUT" "${patterns[@]}"
}

# refused PATTERN... -- CMD...: Gatehouse refuses the request, and its message
# holds every one of the patterns.
refused() { rejected 'denied the request' "$@"; }

# rejected PATTERN... -- CMD...: somebody refuses it.
rejected() {
  local patterns=()
  while [ "$1" != -- ]; do
    patterns+=("$1")
    shift
  done
  shift
  OUT=$("$@" 2>&1) && return 1
  says "$OUT" "${patterns[@]}"
}

# shows PATTERN... -- CMD...: the screen that the command makes holds the patterns.
# Its exit code says how things are, not whether it worked.
shows() {
  local patterns=()
  while [ "$1" != -- ]; do
    patterns+=("$1")
    shift
  done
  shift
  OUT=$("$@" 2>&1)
  SCREEN=$OUT
  says "$OUT" "${patterns[@]}" && WORDS=
}

# says TEXT PATTERN...: keeps TEXT as the words of the case.
says() {
  local pattern
  WORDS=$1
  shift
  for pattern in "$@"; do
    grep -Eqi -- "$pattern" <<<"$WORDS" || {
      WORDS+=" [expected to find: $pattern]"
      return 1
    }
  done
}

# soon SECONDS CASE ARGS...: tries a case again until it is as expected. Not
# `eventually`: the words of the last try are to be kept.
soon() {
  local until=$((SECONDS + $1)) since=$EPOCHREALTIME
  shift
  until "$@"; do
    [ $SECONDS -lt $until ] || return 1
    sleep 0.2
  done
  WORDS+=" [after $(seconds_since "$since") s]"
}

# can FEATURE: whether this provider can do it; what it cannot is left out of the run.
can() { [[ " $PROVIDER_CAN " == *" $1 "* ]]; }

# run_cases [PATTERN]: the files of cases/, or of CASE_FOLDER, in their order. What was counted goes to the file TALLY, if there is one.
run_cases() {
  local file before=0 as_expected_before=0
  [ -z "${TALLY:-}" ] || read -r as_expected_before before <"$TALLY"
  CASES=$before AS_EXPECTED=$as_expected_before
  printf '\n%3s  %-66s %-28s\n' '#' 'case' 'expected'
  for file in "${CASE_FOLDER:-$SUITE/cases}"/${1:-*}.sh; do
    [ -e "$file" ] || continue
    # shellcheck source=/dev/null
    . "$file"
  done
  printf '\n'
  if [ -n "${TALLY:-}" ]; then
    echo "$AS_EXPECTED $CASES" >"$TALLY"
  else
    step 'end of the run'
    printf '%d of %d cases as expected\n' $AS_EXPECTED $CASES
  fi
  [ $((AS_EXPECTED - as_expected_before)) = $((CASES - before)) ]
}
