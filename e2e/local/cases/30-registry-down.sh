# shellcheck shell=bash
# The registry is down: what was verified before stays verified, the rest is not
# known and therefore refused.

registry_goes_down() {
  admitted create demo "$(pod cached "$(pinned signed)")" --dry-run=server || return 1
  stop registry
  ! registry_is_ready
}

uncached_image() {
  registry_goes_down || return 1
  create_refused "$APP:cold" 'unavailable' app:cold
}

cached_image() {
  admitted create demo "$(pod cached "$(pinned signed)" "$(on_node 1)")" || return 1
  runs_on 1 demo cached
}

expect 'registry down: image that was never verified' 'refused as unavailable' uncached_image
expect 'registry down: image that was verified before' 'admitted, runs on node1' cached_image

start_registry
wait_for 10 'the registry' registry_is_ready
