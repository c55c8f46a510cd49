# dml_engine in a container: ENTRYPOINT is the program, the user is not root, nothing but run-time packages inside.
#
#   docker build --build-arg REVISION="$(git describe --always --dirty)" -t dml_engine .
#   docker run --rm dml_engine                                  what is here and what can be run
#   docker run --rm dml_engine demo
#   docker run --rm -v "$PWD/runs:/runs" dml_engine train --run-dir /runs/first
#
# Without a Docker engine the same file builds with buildah: docs/install.md.
#
# The two images must be of one Debian-like release, because the run-time packages are found by looking at what the
# program was linked with. Proven with Debian 12; see docs/install.md about the nvidia/cuda images.
ARG BASE_IMAGE=debian:bookworm-slim
ARG RUNTIME_IMAGE=${BASE_IMAGE}

# ---- build -------------------------------------------------------------------------------------------------------
FROM ${BASE_IMAGE} AS build
WORKDIR /source
# The packages first: this layer is made again only when the list in quickstart changes.
COPY quickstart ./
RUN ./quickstart setup build
COPY . .
ARG REVISION=unknown
RUN DML_GIT_REVISION="${REVISION}" ./quickstart build \
 && install -D --strip build/release/runners/dml_engine /image/usr/local/bin/dml_engine
# The packages that own the shared libraries of the program, one a line.
RUN ldd /image/usr/local/bin/dml_engine | awk '$2 == "=>" { print $3 }' | xargs realpath | sort -u \
  | while read -r library; do dpkg-query --search "*/${library##*/}"; done \
  | cut -d : -f 1 | sort -u > /image/runtime-packages \
 && cat /image/runtime-packages && test -s /image/runtime-packages

# ---- run ---------------------------------------------------------------------------------------------------------
FROM ${RUNTIME_IMAGE} AS runtime
# Real images to train on; DATASET_PACKAGE= (empty) leaves them out.
ARG DATASET_PACKAGE=dataset-fashion-mnist
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dml_engine" \
      org.opencontainers.image.description="Trains convolutional networks on one device or many" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

COPY --from=build /image/runtime-packages /tmp/runtime-packages
# Split on purpose: one word is one package.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --no-install-recommends -y \
      $(cat /tmp/runtime-packages) ${DATASET_PACKAGE} \
 && rm -rf /var/lib/apt/lists/* /tmp/runtime-packages
COPY --from=build /image/usr/local/bin/dml_engine /usr/local/bin/dml_engine

# A home and a folder for runs that this user may write.
RUN useradd --uid 10001 --user-group --create-home --home-dir /home/dml dml \
 && install -d --owner=dml --group=dml /runs
USER 10001:10001
WORKDIR /runs
ENTRYPOINT ["dml_engine"]
