# shellcheck shell=bash
# etcd, API server, controller manager and scheduler, on the run's own network.

# The run's network namespace is the control plane's: a bridge with no way out
# of the machine, to which the nodes are plugged.
make_network() {
  ip link set lo up
  ip link add cluster0 type bridge
  ip addr add $CP_IP/24 dev cluster0
  ip link set cluster0 up
  sysctl -qw net.ipv4.ip_forward=1
}

start_etcd() {
  local client=http://127.0.0.1:2379 peer=http://127.0.0.1:2380
  # Throw-away data: nothing is gained by waiting for the disk.
  start etcd etcd --name e0 --data-dir $STATE/etcd --unsafe-no-fsync --logger=zap --log-outputs=stderr \
    --listen-client-urls $client --advertise-client-urls $client \
    --listen-peer-urls $peer --initial-advertise-peer-urls $peer --initial-cluster e0=$peer
}

# The API server shows webhooks a client certificate.
write_admission_configuration() {
  cat >$CONF/webhook-clients.kubeconfig <<Y
apiVersion: v1
kind: Config
users: [{name: "*", user: {client-certificate: $PKI/admission-client.crt, client-key: $PKI/admission-client.key}}]
Y
  cat >$CONF/admission.yaml <<Y
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: ValidatingAdmissionWebhook
  configuration: &clients
    apiVersion: apiserver.config.k8s.io/v1
    kind: WebhookAdmissionConfiguration
    kubeConfigFile: $CONF/webhook-clients.kubeconfig
- name: MutatingAdmissionWebhook
  configuration: *clients
Y
}

# --enable-aggregator-routing: no kube-proxy is beside the API server, so it looks
# up the addresses of a Service's pods itself.
start_apiserver() {
  write_admission_configuration
  start kube-apiserver kube-apiserver --etcd-servers=http://127.0.0.1:2379 \
    --bind-address=0.0.0.0 --advertise-address=$CP_IP --secure-port=6443 \
    --service-cluster-ip-range=$SERVICE_CIDR --allow-privileged=true --profiling=false --v=1 \
    --authorization-mode=Node,RBAC --client-ca-file=$PKI/kubernetes-ca.crt \
    --tls-cert-file=$PKI/apiserver.crt --tls-private-key-file=$PKI/apiserver.key \
    --kubelet-client-certificate=$PKI/apiserver-kubelet.crt --kubelet-client-key=$PKI/apiserver-kubelet.key \
    --kubelet-certificate-authority=$PKI/kubernetes-ca.crt --kubelet-preferred-address-types=InternalIP \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local \
    --service-account-key-file=$PKI/service-account.key --service-account-signing-key-file=$PKI/service-account.key \
    --enable-admission-plugins=NodeRestriction --admission-control-config-file=$CONF/admission.yaml \
    --enable-aggregator-routing=true --feature-gates=EphemeralContainers=true
}

apiserver_is_ready() { answers --cacert $PKI/kubernetes-ca.crt $API/readyz; }

# own_kubeconfig NAME: the three ways in which a component talks to the API server.
own_kubeconfig() {
  printf -- '--%s=%s\n' kubeconfig "$1" authentication-kubeconfig "$1" authorization-kubeconfig "$1"
}

start_controllers() {
  local kubeconfig
  mapfile -t kubeconfig < <(own_kubeconfig $CONF/controller-manager.kubeconfig)
  # No --allocate-node-cidrs: it costs ten seconds at the start, and the nodes
  # have their pod networks from a file.
  start kube-controller-manager kube-controller-manager "${kubeconfig[@]}" --bind-address=127.0.0.1 \
    --leader-elect=false --node-monitor-grace-period=20s --use-service-account-credentials=true --root-ca-file=$PKI/kubernetes-ca.crt \
    --service-account-private-key-file=$PKI/service-account.key --allocate-node-cidrs=false --v=1
  mapfile -t kubeconfig < <(own_kubeconfig $CONF/scheduler.kubeconfig)
  start kube-scheduler kube-scheduler "${kubeconfig[@]}" --bind-address=127.0.0.1 --leader-elect=false --v=1
}

apiserver_restarts() {
  stop kube-apiserver KILL
  start_apiserver
  eventually 60 apiserver_is_ready
}

# cluster_cold_starts: a power cut, at all machines at once. etcd keeps what it has.
# The TPMs are told: swtpm writes its clock down at a shutdown only, a TPM by itself.
cluster_cold_starts() {
  local n
  for n in "${NODES[@]}"; do power_off "$n"; done
  for n in kube-scheduler kube-controller-manager kube-apiserver; do stop $n KILL; done
  start_apiserver
  eventually 60 apiserver_is_ready || return 1
  start_controllers
  for n in "${TPM_NODES[@]}"; do reboot_tpm "$n" || return 1; done
  for n in "${NODES[@]}"; do
    make_node "$n"
    start_kubelet "$n"
  done
}
