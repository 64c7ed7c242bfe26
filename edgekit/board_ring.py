"""The board ring: what of edgekit a board has. The one list; the board's wheel and the tests read it.

Everything here runs on Python 3.10 with numpy, cv2 and nothing else.
"""

from __future__ import annotations

__all__ = ["COMMAND_MODULES", "PARTS"]

PARTS = (  # modules and packages
    "__init__", "__main__", "array_files", "artifacts", "board_ring", "bundle", "cores", "datapath", "decode",
    "device_kinds", "errors", "files", "install_hints", "kernels", "labels", "lazy", "ops", "output", "preprocess",
    "progress", "records", "requirements", "results", "robot", "runtime", "spec", "text", "tracking", "version",
)  # fmt: skip
COMMAND_MODULES = (  # of the command line: what the board's scripts start
    "cli/__init__", "cli/console", "cli/main", "cli/options", "cli/outputs", "cli/perf", "cli/run", "cli/run_delivery",
    "cli/run_robot", "cli/run_summary", "cli/run_tracking", "cli/source",
)  # fmt: skip
