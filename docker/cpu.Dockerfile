# djl-trtllm on a CPU: the openvino runtime behind the local front, on port 8080.
# From the project's root: docker build -f docker/cpu.Dockerfile -t djl-trtllm:cpu .
ARG BASE_IMAGE=python:3.11-slim
FROM ${BASE_IMAGE} AS build

# cpu: serves models that are compiled already. cpu-compile: compiles checkpoints too, and is larger by some GB.
ARG LOCK=cpu-compile
# A package index with PyTorch for CPUs, which saves most of that. PyPI's has CUDA's libraries with it.
ARG TORCH_INDEX=

RUN --mount=type=bind,target=/src,rw --mount=type=cache,target=/var/cache/uv \
    UV_CACHE_DIR=/var/cache/uv LOCK="${LOCK}" TORCH_INDEX="${TORCH_INDEX}" COMPILE_BYTECODE=1 sh /src/docker/cpu/install.sh

FROM ${BASE_IMAGE}

COPY --from=build /opt/djl-trtllm /opt/djl-trtllm
# Empty, and the user's: a named volume that is mounted there is so too.
COPY --from=build --chown=1000:1000 /opt/djl-trtllm-cache /tmp/.djl.ai

ENV PATH=/opt/djl-trtllm/bin:${PATH} \
    DJL_CACHE_DIR=/tmp/.djl.ai \
    HF_HOME=/tmp/.cache/huggingface \
    HOME=/tmp \
    USER=djl \
    PYTHONUNBUFFERED=1

EXPOSE 8080
USER 1000:1000
WORKDIR /tmp

# /ping answers while the model loads too; the first load compiles, hence the long start period.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20m \
    CMD ["/opt/djl-trtllm/bin/python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('SAGEMAKER_BIND_TO_PORT', '8080') + '/ping', timeout=4)"]

ENTRYPOINT ["/opt/djl-trtllm/entrypoint.sh"]
CMD ["serve"]
