"""The `djl-trtllm` command line."""
