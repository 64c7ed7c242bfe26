"""The optional torch: imported here first, so that a missing or old one is said in two lines."""

from __future__ import annotations

import importlib
from typing import Any

from edgekit.errors import ConfigError

OLDEST = (2, 1)
INSTALL = "install torch's CPU build from the index that pytorch.org names for your system"


def load_torch() -> Any:
    """Import torch and check its version.

    Returns:
        The module.

    Raises:
        ConfigError: torch is missing, does not start, or is older than `OLDEST`.
    """
    needed = f"torch {OLDEST[0]}.{OLDEST[1]} or later"
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        raise ConfigError(f"torch cannot be imported ({error}), learning needs {needed}", hint=INSTALL) from error
    except OSError as error:  # a library of it that does not fit this system
        raise ConfigError(f"torch does not start ({error}), learning needs {needed}", hint=INSTALL) from error
    if _version(str(torch.__version__)) < OLDEST:
        raise ConfigError(f"torch is {torch.__version__}, learning needs {needed}", hint=INSTALL)
    return torch


def _version(text: str) -> tuple[int, int]:
    """The first two numbers of a version; (0, 0) where it has none."""
    parts = text.split("+")[0].split(".")[:2]
    if len(parts) < 2 or not all(part.isdigit() for part in parts):
        return 0, 0
    return int(parts[0]), int(parts[1])
