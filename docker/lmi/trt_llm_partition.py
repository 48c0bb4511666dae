#!/usr/bin/env python3
"""DJL-Serving's conversion step, in the place of LMI's script of this name; see docs/containers.md."""

import sys

from djl_trtllm.partition.main import main

if __name__ == "__main__":
    sys.exit(main())
