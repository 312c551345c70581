# shellcheck shell=bash
# A plain-HTTP registry, known in the cluster as registry.test:5000.

start_registry() {
  cat >$CONF/registry.yml <<Y
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $STATE/registry}}
http: {addr: "$CP_IP:5000"}
Y
  start registry docker-registry serve $CONF/registry.yml
}

registry_is_ready() { answers http://$REGISTRY/v2/; }
registry_stops() { stop registry && ! registry_is_ready; }
registry_starts() {
  start_registry
  wait_for 10 'the registry' registry_is_ready
}
