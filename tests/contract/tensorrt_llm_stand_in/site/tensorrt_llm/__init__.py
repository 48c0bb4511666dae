"""What processes import: installs the row that the environment names."""

import sys

from tests.contract.tensorrt_llm_stand_in.install import install_from_environment

install_from_environment()
assert sys.modules[__name__].__version__
