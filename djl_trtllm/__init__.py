"""Serve language models with TensorRT-LLM, or OpenVINO GenAI on a CPU, behind DJL-Serving."""

__version__ = "0.1.0"
