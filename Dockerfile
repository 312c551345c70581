# The three programs in one image: no shell, no package manager, nothing that they do not load.
#
#   docker build -t gatehouse .              or, without docker: deploy/image.sh OUT.tar
#
# The same sources and package versions give the same image (tests/deploy/image.sh): times are SOURCE_DATE_EPOCH, and the versions are in
# /usr/share/gatehouse/packages.txt.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS tools
COPY deps/apt-build.txt /src/deps/
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $(sed 's/#.*//' /src/deps/apt-build.txt) \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/ldconfig/aux-cache /var/log/*

FROM tools AS build
WORKDIR /src
COPY . .
# A compiler cache that is mounted at /ccache is used; it makes no difference to what comes out.
ENV CCACHE_DIR=/ccache CCACHE_TEMPDIR=/tmp
RUN cmake --preset release --log-level=WARNING && cmake --build --preset release && strip build/release/bin/*
ARG SOURCE_DATE_EPOCH=0
RUN deploy/image/rootfs.sh build/release/bin /rootfs

FROM scratch
COPY --from=build /rootfs /
ENV PATH=/usr/local/bin
USER 65532:65532
CMD ["gatehouse", "--help"]
LABEL org.opencontainers.image.title="gatehouse" \
      org.opencontainers.image.description="Admits a pod only when its images are signed and its node's hardware vouches for the node" \
      org.opencontainers.image.licenses="Apache-2.0"
