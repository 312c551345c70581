#!/usr/bin/env bash
# build_kubernetes.sh DIR PROGRAM...: compiles DIR/source into DIR/out.
#
# Calls the Go compiler itself instead of kubernetes' own Makefile: that one
# first checks every generated file of the tree, which costs as much as the
# compilation, and all but one of those files are in the source package.
set -euo pipefail

DIR=$(cd "$1" && pwd)
shift
SOURCE=$DIR/source
TREE=$DIR/gopath/src/k8s.io/kubernetes # GOPATH mode: the generator below knows no modules
ME=k8s.io/kubernetes

go_environment() {
  mkdir -p "$(dirname "$TREE")" "$DIR/home" "$DIR/out"
  ln -sfn "$SOURCE" "$TREE"
  export GOPATH=$DIR/gopath GO111MODULE=off CGO_ENABLED=0 GOFLAGS='' GOCACHE=$DIR/gocache
  export HOME=$DIR/home PATH=/usr/lib/go-1.19/bin:$PATH
  unset GOROOT
  # Without the cloud providers: half the size, less to compile, and no kubelet
  # that waits ten seconds for a metadata service which is not there.
  GO_BUILD=(go build -tags=providerless -trimpath)
}

# The vendored reflect2 1.0.1 corrupts memory when it is built with Go 1.18 or
# newer: the API server dies at the first client that asks for indented JSON.
replace_reflect2() {
  local vendored=$SOURCE/vendor/github.com/modern-go/reflect2
  rm -f "$vendored"/*.go
  cp "$DIR"/reflect2/usr/share/gocode/src/github.com/modern-go/reflect2/*.go "$vendored/"
}

# The one generated file that is not in the source package: the OpenAPI
# definitions of every type, without which the API server does not start.
generate_openapi() {
  local packages
  (cd "$TREE" && "${GO_BUILD[@]}" -o "$DIR/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen)
  packages=$(cd "$SOURCE" &&
    grep -rl --include='*.go' --exclude-dir=code-generator --exclude-dir='sample-*' --exclude-dir=testdata \
      '^// +k8s:openapi-gen=' cmd pkg plugin staging/src/k8s.io |
    xargs -n1 dirname | LC_ALL=C sort -u | sed "s,^staging/src/,vendor/,; s,^,$ME/," | paste -sd,)
  (cd "$TREE" && "$DIR/openapi-gen" --logtostderr -i "$packages" -p $ME/pkg/generated/openapi \
    -O zz_generated.openapi -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt -r "$DIR/violations")
}

# kubectl and the API server compare versions, so the programs have to know theirs.
linker_flags() {
  local package flags='-s -w -buildid='
  for package in client-go/pkg component-base; do
    package=$ME/vendor/k8s.io/$package/version
    flags+=" -X $package.gitVersion=v1.20.2 -X $package.gitMajor=1 -X $package.gitMinor=20"
    flags+=" -X $package.gitTreeState=archive -X $package.gitCommit=debian"
  done
  echo "$flags"
}

go_environment
replace_reflect2
generate_openapi
cd "$TREE"
"${GO_BUILD[@]}" -ldflags "$(linker_flags)" -o "$DIR/out/" "${@/#/./cmd/}"
