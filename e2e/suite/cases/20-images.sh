# shellcheck shell=bash
# What runs: every image of a pod is signed by the release key, or the pod is
# refused, through whichever door the image comes.

signed_image() {
  admitted create demo "$(pod signed "$APP:signed" "$(on_node 1)")" || return 1
  runs_on 1 demo signed
}

create_refused() {
  local image=$1
  shift
  refused "$@" -- create demo "$(pod refused "$image")"
}

dry_run_refused() {
  refused image-unsigned -- create demo "$(pod refused "$APP:unsigned")" --dry-run=server
}

# The tag is honest when the image is signed, and moved afterwards.
moved_tag() {
  admitted create demo "$(pod moving "$APP:moving")" --dry-run=server || return 1
  push_app moving moved || return 1
  create_refused "$APP:moving" image-unsigned app:moving
}

# kubectl debug says nothing if all is well; that the container runs says more.
signed_debug_container() {
  admitted debug_with "$APP:signed" fine || return 1
  eventually 20 debug_container_runs || return 1
  WORDS='ephemeral container "fine" is running in pod/signed'
}
debug_container_runs() {
  [ -n "$(pod_field demo signed '{.status.ephemeralContainerStatuses[?(@.name=="fine")].state.running.startedAt}')" ]
}
debug_with() { KD debug signed --image="$1" --container="$2" --attach=false; }

init_container_refused() {
  local spec
  spec=$(jq -nc --arg image "$APP:unsigned" '{initContainers: [{name: "first", image: $image}]}')
  refused image-unsigned app:unsigned -- create demo "$(deployment refused "$APP:signed" "$spec")"
}

cron_job_refused() {
  refused image-unsigned app:unsigned -- KD create cronjob refused --image="$APP:unsigned" --schedule='0 0 1 1 *'
}

deployment_scales() {
  admitted create demo "$(deployment web "$(pinned signed)" "$(on_node 1)")" || return 1
  OUT=$(KD scale deployment web --replicas=3 2>&1) || return 1
  WORDS+="; $OUT"
  OUT=$(KD wait --for=condition=Available deployment/web --timeout=30s 2>&1) || return 1
  eventually 30 three_ready || return 1
  WORDS+='; 3 of 3 ready'
}
three_ready() { [ "$(KD get deployment web -o 'jsonpath={.status.readyReplicas}')" = 3 ]; }

# node2 is a node like any other: what nobody guards runs there.
exempt_namespace() {
  admitted create $GATEHOUSE_NAMESPACE "$(pod exempt "$APP:unsigned" "$(on_node 2)")" || return 1
  runs_on 2 $GATEHOUSE_NAMESPACE exempt
}

# The kubelet resolves a tag again; it must not find anything else than we did.
tag_is_pinned() {
  says "$(pod_field demo signed '{.spec.containers[0].image}')" "^$APP(:signed)?@$(digest_of signed)$"
}

expect 'image signed by the release key' 'admitted, runs on node1' signed_image
expect 'the tag of that pod' 'replaced by the digest' tag_is_pinned
expect 'image without a signature' 'refused' create_refused "$APP:unsigned" image-unsigned app:unsigned
expect 'image signed by another key' 'refused' create_refused "$APP:stranger" signature-invalid app:stranger
expect 'image without a signature, server-side dry run' 'refused' dry_run_refused
expect 'tag moved from a signed to an unsigned image' 'admitted, then refused' moved_tag
expect 'ephemeral container with a signed image' 'admitted, runs' signed_debug_container
expect 'ephemeral container with an unsigned image' 'refused' \
  refused image-unsigned app:unsigned -- debug_with "$APP:unsigned" refused
expect 'image of a running pod replaced by an unsigned one' 'refused' \
  refused image-unsigned app:unsigned -- KD set image pod/signed "app=$APP:unsigned"
expect 'Deployment with an unsigned init container' 'refused' init_container_refused
expect 'CronJob with an unsigned image' 'refused' cron_job_refused
expect 'Deployment of a signed image, scaled to three' 'admitted, three ready' deployment_scales
expect 'unsigned image in an exempt namespace' 'admitted, runs on node2' exempt_namespace
