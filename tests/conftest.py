"""Fixtures that every test may use: the real material and the vendor's toolchain, which are never in the repository."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgekit.kernels.library import Kernels

if TYPE_CHECKING:
    from edgekit.compilation.toolchain.find import Toolchain

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("EDGEKIT_SHARED_DATA", ROOT.parent / "shared" / "data"))

KERNELS_REQUIRED = "EDGEKIT_REQUIRE_KERNELS"  # set in the gate


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real material (models, images, compiled graphs); skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no real material at {SHARED} (set EDGEKIT_SHARED_DATA)")
    return SHARED


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    """The vendor's toolchain, installed on this machine; skips where there is none."""
    from edgekit.compilation.toolchain.find import find_toolchain
    from edgekit.errors import ToolchainError

    try:
        return find_toolchain(["path", "private"])
    except ToolchainError as error:
        pytest.skip(f"{error.message}; make test-toolchain installs it")


def pytest_configure(config: pytest.Config) -> None:
    """Started in the background (`pytest &`), Ctrl-C is ignored and so inherited; tests of Ctrl-C need it back."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "needs_kernels: enters the compiled kernels; skipped where there are none")
    config.addinivalue_line(
        "markers", "needs_decode_kernels: enters the kernels that decode; skipped where there are none"
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without kernels a test that needs them is skipped; in the gate, which requires them, it fails."""
    if item.get_closest_marker("needs_kernels") is not None:
        from edgekit.sim.fast.build import kernels

        _require(kernels())
    if item.get_closest_marker("needs_decode_kernels") is not None:
        from edgekit.kernels.decoding import decode_kernels

        _require(decode_kernels())


def _require(kernels: Kernels) -> None:
    if kernels.library is None:
        end = pytest.fail if os.environ.get(KERNELS_REQUIRED) else pytest.skip
        end(f"no kernels: {kernels.reason}")
