"""Builds put together from synthetic files, for the tests of what is said about them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgekit.report.build import Build
from edgekit.report.gather import collect
from tests.logs import synthetic

FOLDER_FILES = {
    "hb_mapper_makertbin.log": synthetic.makertbin(),
    "console.txt": synthetic.makertbin(console=True),
    "hb_mapper_checker.log": synthetic.checker(),
    "board.txt": synthetic.board_perf(),
    "hb_model_info.txt": synthetic.model_info(),
    "model_output/main_graph_subgraph_0.json": synthetic.static_perf(),
    f"model_output/{synthetic.PREFIX}_quant_info.json": synthetic.quant_info(),
    "model_output/hb_model_modifier.log": synthetic.modifier(removed=True),
}


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return folder


def build_of(folder: Path, **files: str | bytes) -> Build:
    """The one build of the given texts; a key is a file's stem, `.json` by content, else `.log`."""
    named: dict[str, str | bytes] = {}
    for stem, data in files.items():
        suffix = ".bin" if isinstance(data, bytes) else ".json" if data.startswith("{") else ".log"
        named[stem + suffix] = data
    (build,) = collect(write_files(folder, named)).builds
    return build
