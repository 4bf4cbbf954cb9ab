# Two images of this tree:
#
#   docker build --target mujoco -t isaac-collect:mujoco .
#   docker build --target isaac  -t isaac-collect:isaac  .                                    # Isaac Sim 4.5.0
#   docker build --target isaac  -t isaac-collect:isaac-6.0.1 --build-arg ISAAC_SIM_VERSION=6.0.1 .
#
#   docker run --rm -p 8600:8600 -v datasets:/data/datasets isaac-collect:mujoco      # serve: http://localhost:8600
#   docker run --rm --gpus all -e ACCEPT_EULA=Y -v datasets:/data/datasets isaac-collect:isaac \
#     collect --num-episodes 10 --output /data/datasets/pick_place_001
#
# Whatever serves a page listens on all of the container's addresses: who gets there is decided by -p. Without a token
# the service warns of that; give it one with -e ISAAC_COLLECT_TOKEN=... (never in an image).
# `docker stop` waits 10 s; with -t 60 the episode under way may end by itself.
#
# The image `mujoco` is for amd64 and arm64. Isaac Sim's images are amd64, from 5.1 on arm64 too; the packages that
# isaac_packages.py installs exist for both. What was run of the image `isaac` ran without a GPU, and without Isaac Sim
# itself, on stand-ins of its file tree: the package installation, the entry point, the health check. Nobody has started
# Isaac Sim from it yet.

ARG ISAAC_SIM_VERSION=4.5.0

# ---------------------------------------------------------------------------------------------------------- mujoco

FROM python:3.12-slim-trixie AS mujoco-packages

WORKDIR /build
RUN python -m venv --without-pip /opt/isaac-collect
# Third-party packages first: a change of our code does not install them anew.
COPY docker/constraints-mujoco.txt ./
RUN pip --python /opt/isaac-collect/bin/python install --no-cache-dir --no-compile --no-deps --only-binary=:all: \
      --requirement constraints-mujoco.txt
COPY pyproject.toml README.md LICENSE ./
COPY lerobot_writer lerobot_writer
COPY collectors collectors
COPY sim_service sim_service
COPY bridge bridge
RUN pip --python /opt/isaac-collect/bin/python install --no-cache-dir --no-compile --no-deps . \
 && pip --python /opt/isaac-collect/bin/python check

FROM python:3.12-slim-trixie AS mujoco

LABEL org.opencontainers.image.title="isaac-collect (MuJoCo)" \
      org.opencontainers.image.description="Franka pick-and-place demonstrations as LeRobot datasets, on MuJoCo" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"

# Mesa draws the pictures on the CPU. Debian keeps one version of a package at a time, so there is none to pin.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends libegl1 libopengl0 libgl1-mesa-dri \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 1000 --create-home collector \
 && mkdir /data \
 && mkdir -m 1777 /data/datasets
COPY --from=mujoco-packages /opt/isaac-collect /opt/isaac-collect
COPY docker/healthcheck.py /opt/isaac-collect/

ENV PATH=/opt/isaac-collect/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MUJOCO_GL=egl \
    ISAAC_COLLECT_DATA_ROOT=/data/datasets \
    ISAAC_COLLECT_HOST=0.0.0.0 \
    ISAAC_COLLECT_STREAMING_HOST=0.0.0.0
USER 1000:1000
WORKDIR /data
VOLUME /data/datasets
EXPOSE 8600 49102
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
  CMD ["python", "-I", "/opt/isaac-collect/healthcheck.py"]
ENTRYPOINT ["isaac-collect"]
CMD ["serve"]

# ----------------------------------------------------------------------------------------------------------- isaac

# What only root may make. The image itself keeps the user of its base, which depends on the version: root in 4.5 and
# 5.0, uid 1234 (isaac-sim) from 5.1 on. A USER of ours would name one that some version does not have.
FROM nvcr.io/nvidia/isaac-sim:${ISAAC_SIM_VERSION} AS isaac-files
# hadolint ignore=DL3002
USER 0
RUN mkdir -p /files/data /files/bin \
 && mkdir -m 1777 /files/data/datasets \
 && ln -s /opt/isaac-collect/isaac-entrypoint.sh /files/bin/isaac-collect

FROM nvcr.io/nvidia/isaac-sim:${ISAAC_SIM_VERSION} AS isaac

ARG ISAAC_SIM_VERSION
LABEL org.opencontainers.image.title="isaac-collect (Isaac Sim)" \
      org.opencontainers.image.description="Franka pick-and-place demonstrations as LeRobot datasets, on Isaac Sim" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0 AND LicenseRef-NVIDIA-Isaac-Sim" \
      org.opencontainers.image.base.name="nvcr.io/nvidia/isaac-sim:${ISAAC_SIM_VERSION}"

# Any user may write datasets: the folder is like /tmp. A folder that is mounted there must be writable for the
# container's user: chown 1234 from 5.1 on.
COPY --from=isaac-files /files/data /data
COPY --from=isaac-files /files/bin /usr/local/bin

# An extension's id is the name of its folder, and Isaac Sim's applications search ${app}/../extsUser, which is
# /isaac-sim/extsUser (the .kit files in its apps folder say so). Hence the folder's name here.
# Third-party packages first: a change of our code does not install them anew. Which Python there is, and what it has
# already, is found out by running it.
COPY docker/isaac-python.sh docker/isaac_packages.py docker/constraints-3.*.txt /opt/isaac-collect/
RUN for step in install check; do \
      /opt/isaac-collect/isaac-python.sh /opt/isaac-collect/isaac_packages.py "$step" \
        /isaac-sim/extsUser/isaac_collect/packages || exit 1; \
    done

COPY docker/isaac-entrypoint.sh docker/healthcheck.py /opt/isaac-collect/
COPY LICENSE README.md CHANGELOG.md extension.toml run_interactive.py isaac_pick_place_collector.py \
     /isaac-sim/extsUser/isaac_collect/
COPY config /isaac-sim/extsUser/isaac_collect/config
COPY lerobot_writer /isaac-sim/extsUser/isaac_collect/lerobot_writer
COPY collectors /isaac-sim/extsUser/isaac_collect/collectors
COPY sim_service /isaac-sim/extsUser/isaac_collect/sim_service
COPY bridge /isaac-sim/extsUser/isaac_collect/bridge

# Mount these to keep caches and logs; without them each container compiles shaders for minutes:
#   4.5, 5.0  /isaac-sim/kit/cache  /root/.cache/ov  /root/.cache/nvidia/GLCache  /root/.nv/ComputeCache
#             /root/.nvidia-omniverse/logs  /root/.local/share/ov/data
#   5.1, 6.x  /isaac-sim/.cache  /isaac-sim/.nv/ComputeCache  /isaac-sim/.nvidia-omniverse/{logs,config}
#             /isaac-sim/.local/share/ov/{data,pkg}, all owned by uid 1234
# The licence is for whoever runs the container to accept: ACCEPT_EULA is never set here, and the entry point refuses
# to start Isaac Sim without it.
ENV PYTHONUNBUFFERED=1 \
    ISAAC_COLLECT_SIMULATOR=isaac \
    ISAAC_COLLECT_DATA_ROOT=/data/datasets \
    ISAAC_COLLECT_HOST=0.0.0.0 \
    ISAAC_COLLECT_STREAMING_HOST=0.0.0.0
WORKDIR /data
VOLUME /data/datasets
EXPOSE 8600 49102
HEALTHCHECK --interval=30s --timeout=15s --start-period=300s --retries=3 \
  CMD ["/opt/isaac-collect/isaac-python.sh", "-I", "/opt/isaac-collect/healthcheck.py"]
ENTRYPOINT ["/opt/isaac-collect/isaac-entrypoint.sh"]
CMD ["serve"]
