"""What edgekit compile wrote down about the calibration data of a build."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.calibration.data_check import DataCheck, check_from_record
from edgekit.compilation.buildinfo import read_buildinfo
from edgekit.errors import ModelError
from edgekit.logs.read_log import Content, ReadFile
from edgekit.manifest import is_unchanged


def data_check_of(files: Sequence[ReadFile[Content]]) -> DataCheck | None:
    """Read the check from the record beside a build's log; None where none there is about this very log."""
    logs = [file.path for file in files if file.kind == "mapper"]
    for path in logs:
        info = read_buildinfo(path.parent)
        if info is not None and is_unchanged(path, info.outputs.get(path.name, "")):
            try:
                return check_from_record(info.record)
            except ModelError:
                return None
    return None
