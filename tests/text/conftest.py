"""Tests of DecodeStream run where tokenizers has it (0.21 and later); elsewhere a window decodes, and is tested."""

from __future__ import annotations

from tests.text.stream_oracle import HAS_STREAM

collect_ignore = [] if HAS_STREAM else ["test_stream_detokenizer.py"]
