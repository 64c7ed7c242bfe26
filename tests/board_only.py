"""A pytest plugin that refuses every import a board has not got: the proof of the board ring."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

from edgekit.board_ring import PARTS

ALLOWED = {"numpy", "cv2", "edgekit", "edgekit_ros", "tests", "board", "hobot_dnn", "hobot_dnn_rdkx5", "hbm_runtime"}
BOARD_PARTS = {*PARTS, "cli"}
TEST_TOOLS = {"_pytest", "pytest", "pluggy", "iniconfig", "packaging", "exceptiongroup", "tomli", "pygments"}


class BoardOnly:
    """A finder that raises ImportError for what is neither the standard library, numpy, cv2 nor the board ring."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        parts = name.split(".")
        if parts[0] == "edgekit" and len(parts) > 1 and parts[1] not in BOARD_PARTS:
            raise ModuleNotFoundError(f"{name} is outside the board ring", name=name)
        if parts[0] not in sys.stdlib_module_names | ALLOWED | TEST_TOOLS and not parts[0].startswith("_"):
            raise ModuleNotFoundError(f"{name} is not on a board", name=name)
        return None


sys.meta_path.insert(0, BoardOnly)  # type: ignore[arg-type]
