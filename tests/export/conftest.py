"""The vendor's toolchain, where it is installed."""

from __future__ import annotations

import pytest

from edgekit.compilation.toolchain.find import Toolchain, find_toolchain
from edgekit.errors import ToolchainError


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    """The installed toolchain; skips where there is none."""
    try:
        return find_toolchain(["path", "private"])
    except ToolchainError as error:
        pytest.skip(f"{error.message}; make test-toolchain installs it")
