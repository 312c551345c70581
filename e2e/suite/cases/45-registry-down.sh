# shellcheck shell=bash
# The registry is down: what was verified before stays verified, the rest is not
# known and therefore refused.

registry_goes_down() {
  local try
  for try in 1 2 3 4 5 6; do # each replica remembers for itself
    admitted create demo "$(pod "cached$try" "$(pinned signed)")" --dry-run=server || return 1
  done
  registry_stops
}

uncached_image() {
  registry_goes_down || return 1
  refused 'unavailable' app:cold -- create demo "$(pod refused "$APP:cold")"
}

cached_image() {
  admitted create demo "$(pod cached "$(pinned signed)" "$(on_node 1)")" || return 1
  runs_on 1 demo cached
}

if can stop-registry; then
  expect 'registry down: image that was never verified' 'refused as unavailable' uncached_image
  expect 'registry down: image that was verified before' 'admitted, runs on node1' cached_image
  registry_starts
fi
