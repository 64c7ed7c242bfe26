"""Wheels hold compiled kernels and a manual, versions follow the tags; all else stands in pyproject.toml."""

import sys
from pathlib import Path

from setuptools import setup

sys.path.insert(0, str(Path(__file__).resolve().parent))

from edgekit.packaging.commands import COMMANDS, KernelDistribution
from edgekit.packaging.source_version import write_version

setup(version=write_version(Path(__file__).resolve().parent), cmdclass=COMMANDS, distclass=KernelDistribution)
