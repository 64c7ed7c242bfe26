"""Commands that are printed for the user to type: quoted for the shell, with files that are there."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from subprocess import list2cmdline

from edgekit.artifacts import MANIFEST_NAME
from edgekit.errors import EdgekitError
from edgekit.files import read_json
from edgekit.ops.image import IMAGE_SUFFIXES
from edgekit.runtime.sources import LIST_SUFFIXES, VIDEO_SUFFIXES

WINDOWS_SAFE = re.compile(r"[\w@+=:,./\\~-]+")  # what neither of its shells splits or expands
TRIAL_FRAMES = 20  # a calibration source may hold many thousands


def edgekit_command(*words: str | Path) -> str:
    """`edgekit` with these words, each quoted where a shell would split or expand it.

    A path that begins with "-" gets "./" before it, so that it is not read as an option.
    """
    quoted = _windows_quoted if os.name == "nt" else shlex.quote
    return " ".join(["edgekit", *(quoted(_word(word)) for word in words)])


def trial_command(model: Path, work: Path) -> str:
    """The command that tries `model`: on the images that the manifest in `work` names, where they are still there.

    Without them it measures the model, for which images are made up.
    """
    source = _calibration_source(work / MANIFEST_NAME)
    if source is None:
        return edgekit_command("perf", "--model", model)
    return edgekit_command("run", "--model", model, "--source", source, "--frames", str(TRIAL_FRAMES))


def _windows_quoted(word: str) -> str:
    """Return a word as cmd.exe and PowerShell take it: backslashes are its own, double quotes around anything else."""
    bare = list2cmdline([word])
    return f'"{bare}"' if bare == word and not WINDOWS_SAFE.fullmatch(word) else bare


def _word(word: str | Path) -> str:
    return f"./{word}" if isinstance(word, Path) and str(word).startswith("-") else str(word)


def _calibration_source(manifest: Path) -> Path | None:
    """What a calibration set was made from; None where that is no longer known, or cannot be given to run."""
    try:
        data = read_json(manifest)
        request = data.get("request") if isinstance(data, dict) else None
        name = request.get("source") if isinstance(request, dict) else None
        path = Path(name) if isinstance(name, str) and name else None
        is_source = path is not None and (path.is_dir() or (path.is_file() and _is_source(path)))
        if isinstance(request, dict) and request.get("images_dir"):
            return None  # run has no place to say where the images of a COCO JSON lie
    except (EdgekitError, OSError, ValueError):
        return None
    return path if is_source else None


def _is_source(path: Path) -> bool:
    return path.suffix.lower() in (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES, *LIST_SUFFIXES)
