# shellcheck shell=sh
# Variables of SageMaker's and of Text Generation Inference's containers under the names that are read here.
# To be sourced. A variable of ours that is set already wins. LMI's own entry script does some of this, by version.

# take FROM TO: TO is FROM where only FROM is set.
take() {
    eval "taken=\${$1:-} given=\${$2:-}"
    # shellcheck disable=SC2154
    if [ -n "$taken" ] && [ -z "$given" ]; then
        export "$2=$taken"
    fi
}

take HF_MODEL_QUANTIZE OPTION_QUANTIZE
take HF_MODEL_TRUST_REMOTE_CODE OPTION_TRUST_REMOTE_CODE
take HF_MODEL_REVISION HF_REVISION
take HF_API_TOKEN HF_TOKEN
take HUGGING_FACE_HUB_TOKEN HF_TOKEN
take MAX_CONCURRENT_REQUESTS SERVING_JOB_QUEUE_SIZE
take MAX_BATCH_SIZE OPTION_MAX_ROLLING_BATCH_SIZE
take MAX_BATCH_PREFILL_TOKENS OPTION_MAX_NUM_TOKENS
take CUDA_MEMORY_FRACTION OPTION_KV_CACHE_FREE_GPU_MEM_FRACTION
take MAX_INPUT_TOKENS OPTION_MAX_INPUT_LEN
take MAX_INPUT_LENGTH OPTION_MAX_INPUT_LEN
take SAGEMAKER_STARTUP_TIMEOUT OPTION_MODEL_LOADING_TIMEOUT
take SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS OPTION_PREDICT_TIMEOUT
take SAGEMAKER_MODEL_SERVER_TIMEOUT OPTION_PREDICT_TIMEOUT

if [ "${SM_NUM_GPUS:-0}" != 0 ]; then
    take SM_NUM_GPUS TENSOR_PARALLEL_DEGREE
fi

# Theirs is prompt and answer together.
if [ -n "${MAX_TOTAL_TOKENS:-}" ] && [ -z "${OPTION_MAX_OUTPUT_LEN:-}" ]; then
    case "$MAX_TOTAL_TOKENS${OPTION_MAX_INPUT_LEN:-1024}" in
    *[!0-9]*)
        echo "MAX_TOTAL_TOKENS=$MAX_TOTAL_TOKENS is not taken: it or the input length is no number." >&2
        ;;
    *)
        if [ "$MAX_TOTAL_TOKENS" -gt "${OPTION_MAX_INPUT_LEN:-1024}" ]; then
            export OPTION_MAX_OUTPUT_LEN=$((MAX_TOTAL_TOKENS - ${OPTION_MAX_INPUT_LEN:-1024}))
        else
            echo "MAX_TOTAL_TOKENS=$MAX_TOTAL_TOKENS is not taken: it leaves no room for an answer after" \
                "${OPTION_MAX_INPUT_LEN:-1024} tokens of input." >&2
        fi
        ;;
    esac
fi
