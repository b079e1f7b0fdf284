# bpfrec with the bcc of Debian 13, for recording a host from a container:
#
#   docker build -t bpfrec .      (or: podman build -t bpfrec .)
#   docker run --rm --privileged --pid=host -v "$PWD:/out" bpfrec record -p 1234 -d 30
#   docker run --rm -v "$PWD:/out" bpfrec report summary
ARG BASE=docker.io/library/debian:13-slim

FROM $BASE AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY . /source
RUN python3 -m venv /opt/bpfrec && /opt/bpfrec/bin/pip install --no-cache-dir /source

FROM $BASE
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-bpfcc \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/bpfrec /opt/bpfrec
RUN ln -s /opt/bpfrec/bin/bpfrec /usr/bin/bpfrec
WORKDIR /out
ENTRYPOINT ["bpfrec"]
CMD ["--help"]
