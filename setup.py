"""Package entry for `pip install .`; everything is declared in pyproject.toml."""

from setuptools import setup

setup()
