"""Every test of decoding runs by numpy and by the compiled kernels."""

from __future__ import annotations

import pytest

from edgekit.decode import decoder
from edgekit.kernels.decoding import decode_kernels


@pytest.fixture(params=["numpy", "compiled"], autouse=True)
def execution(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What decodes; the compiled one is skipped where there are no kernels."""
    if request.param == "numpy":
        monkeypatch.setattr(decoder, "compiled_decoder", lambda plan: None)
    elif decode_kernels().library is None:
        pytest.skip(f"no kernels: {decode_kernels().reason}")
    return str(request.param)
