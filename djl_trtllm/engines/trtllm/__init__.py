"""TensorRT-LLM: compiles a checkpoint on every rank, runs it through the batch manager or the LLM API."""
