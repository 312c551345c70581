# shellcheck shell=bash disable=SC2034 # other files read what is set here
# Where things are, inside of the namespaces of the run.

STATE=/run/gatehouse-e2e # on a tmpfs of the run's own
LOGS=$STATE/logs
PKI=$STATE/pki
CONF=$STATE/conf

CP_IP=10.240.0.1 # the control plane and the registry
API=https://$CP_IP:6443
REGISTRY=registry.test:5000
REGISTRY_IP=$CP_IP
SERVICE_CIDR=10.96.0.0/16
POD_CIDR=10.244.0.0/16

NODES=(1 2 3)
NODE_NAMES=([1]=node1 [2]=node2 [3]=node3)
PROVIDER_CAN='stop-registry far-registry client-certificates kubelet-credentials static-pods own-webhook restart-apiserver cold-start replace-machine'

node_ip() { echo "10.240.0.1$1"; }

# What an admin of this cluster sets beside the rest: YAML.
provider_values() { echo '{}'; }

# The kubectl of the cluster's version, as cluster admin.
KUBECONFIG_FILE=$CONF/admin.kubeconfig
K() { kubectl --kubeconfig "$CONF/admin.kubeconfig" --request-timeout=20s "$@"; }
HELM() { helm --kubeconfig "$CONF/admin.kubeconfig" "$@"; }
# as_kubelet N ...: kubectl with the credentials that whoever took over the node has.
as_kubelet() {
  local n=$1
  shift
  kubectl --kubeconfig "$CONF/node$n.kubeconfig" --request-timeout=20s "$@"
}
