"""One service per process: it loads a model once, then answers steps. It joins the parts and knows no djl_python."""

from __future__ import annotations

from djl_trtllm.service.following import Following
from djl_trtllm.service.loading import load
from djl_trtllm.service.served import Service

__all__ = ["Following", "Service", "load"]
