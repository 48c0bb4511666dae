# djl-trtllm on an LMI TensorRT-LLM container of AWS, DJL-Serving 0.27 to 0.33.
# From the project's root: docker build -f docker/lmi.Dockerfile --build-arg BASE_IMAGE=... -t djl-trtllm:lmi .
ARG BASE_IMAGE
FROM ${BASE_IMAGE}

# Extras of the package, comma-separated: s3, cli.
ARG EXTRAS=s3

RUN --mount=type=bind,target=/src,rw EXTRAS="${EXTRAS}" sh /src/docker/lmi/install.sh

# The handler, unless a model names another entryPoint; and the rolling batch that it speaks: without the second
# DJL-Serving 0.33 and later would start an asynchronous handler.
ENV DJL_ENTRY_POINT=djl_trtllm.handler \
    OPTION_ROLLING_BATCH=trtllm \
    SERVING_RETRY_THRESHOLD=10

ENTRYPOINT ["/usr/local/bin/djl-trtllm-entrypoint"]
CMD ["serve"]
