# shellcheck shell=bash
# Keys and certificates, with openssl alone: ECDSA P-256, valid for a day.

new_key() { openssl ecparam -genkey -name prime256v1 -noout -out "$1"; }

# make_ca NAME
make_ca() {
  new_key "$PKI/$1.key"
  openssl req -x509 -new -key "$PKI/$1.key" -days 1 -subj "/CN=$1" \
    -addext keyUsage=critical,keyCertSign,cRLSign -out "$PKI/$1.crt"
}

# make_cert NAME CA SUBJECT USAGE [SAN]
make_cert() {
  local name=$1 ca=$2 subject=$3 usage=$4 san=${5:-}
  new_key "$PKI/$name.key"
  {
    echo basicConstraints=critical,CA:FALSE
    echo keyUsage=critical,digitalSignature
    echo "extendedKeyUsage=$usage"
    [ -z "$san" ] || echo "subjectAltName=$san"
  } >"$PKI/$name.ext"
  openssl req -new -key "$PKI/$name.key" -subj "$subject" |
    openssl x509 -req -CA "$PKI/$ca.crt" -CAkey "$PKI/$ca.key" -set_serial "0x$(openssl rand -hex 8)" \
      -days 1 -extfile "$PKI/$name.ext" -out "$PKI/$name.crt" 2>/dev/null
}

# make_kubeconfig NAME [SERVER CA USER]: CONF/NAME.kubeconfig of the key PKI/NAME.
make_kubeconfig() {
  local name=$1
  cat >"$CONF/$name.kubeconfig" <<Y
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "$API", certificate-authority: $PKI/kubernetes-ca.crt}}]
users: [{name: u, user: {client-certificate: $PKI/$name.crt, client-key: $PKI/$name.key}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
Y
}

make_cluster_pki() {
  local n client=clientAuth both=serverAuth,clientAuth
  make_ca kubernetes-ca
  openssl genrsa -out "$PKI/service-account.key" 2048 2>/dev/null
  make_cert apiserver kubernetes-ca /CN=kube-apiserver serverAuth \
    "DNS:kubernetes.default.svc,IP:10.96.0.1,IP:$CP_IP"
  make_cert apiserver-kubelet kubernetes-ca /O=system:masters/CN=kube-apiserver $client
  make_cert admin kubernetes-ca /O=system:masters/CN=kubernetes-admin $client
  make_cert controller-manager kubernetes-ca /CN=system:kube-controller-manager $client
  make_cert scheduler kubernetes-ca /CN=system:kube-scheduler $client
  make_cert kube-proxy kubernetes-ca /O=system:node-proxier/CN=system:kube-proxy $client
  for n in "${NODES[@]}"; do
    make_cert "node$n" kubernetes-ca "/O=system:nodes/CN=system:node:node$n" $both "DNS:node$n,IP:$(node_ip $n)"
    make_kubeconfig "node$n"
  done
  for n in admin controller-manager scheduler kube-proxy; do make_kubeconfig $n; done
}

# The certificate that the API server shows to webhooks is of a CA apart, so that
# no other client of the cluster can call them with the certificate that it has.
make_admission_pki() {
  make_ca admission-client-ca
  make_cert admission-client admission-client-ca /CN=kube-apiserver clientAuth
  make_cert mutator kubernetes-ca /CN=mutator serverAuth "IP:$CP_IP"
}
