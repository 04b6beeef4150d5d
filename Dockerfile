# The image of the control plane: atelierd, and the `atelier` command for administrators (kubectl exec). Built from Debian's
# packages in two stages; the second has no compiler and no shell history of the first. Nothing in it runs as root.
#   docker build -t atelier/atelierd:0.1.0 .        podman build and buildah build work as well
ARG BASE=docker.io/library/debian:12-slim

FROM ${BASE} AS build
WORKDIR /src
COPY scripts/packages.txt scripts/
# What `make setup` would install to compile: the lines `build` and `node`.
RUN apt-get update && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates \
        $(awk '$1 == "build" || $1 == "node" { print $2 }' scripts/packages.txt)
# Apart, so that it is done again only when the console's dependencies change.
COPY console/package.json console/package-lock.json console/
RUN cd console && npm ci --no-audit --no-fund --loglevel=error
COPY . .
RUN make -j"$(nproc)" build/atelierd build/atelier && strip build/atelierd build/atelier

FROM ${BASE}
RUN apt-get update && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        ca-certificates libcjson1 libcurl4 libnghttp2-14 libpq5 libssl3 libyaml-0-2 zlib1g && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/ldconfig /var/log/apt /var/log/dpkg.log && \
    useradd --system --uid 10001 --user-group --home-dir /var/lib/atelier --no-create-home --shell /usr/sbin/nologin atelier && \
    install -d -o atelier -g atelier -m 0700 /var/lib/atelier
COPY --from=build /src/build/atelierd /src/build/atelier /usr/local/bin/
# Numbers, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /var/lib/atelier
ENV ATELIER_ENGINE=kubernetes ATELIER_DATA=/var/lib/atelier
# http, https, admission, metrics and probes
EXPOSE 8080 8443 9443 9464
ENTRYPOINT ["/usr/local/bin/atelierd"]
