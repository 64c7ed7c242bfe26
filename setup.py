"""Wheels hold compiled kernels; everything else about the package stands in pyproject.toml."""

import sys
from pathlib import Path

from setuptools import setup

sys.path.insert(0, str(Path(__file__).resolve().parent))

from edgekit.packaging.commands import COMMANDS, KernelDistribution

setup(cmdclass=COMMANDS, distclass=KernelDistribution)
