"""Kinds of what tools print and write: each log and JSON that `edgekit report` reads."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path

from fuzzing.kind import Kind, Mutate, as_file
from fuzzing.mutate_text import mutate_text
from fuzzing.mutate_tree import mutate_json
from fuzzing.reports import report_on

Seeds = Callable[[], tuple[bytes, ...]]


def _texts(*names: str) -> Seeds:
    """Seeds made by functions of tests/logs/synthetic.py without arguments."""

    @functools.cache
    def seeds() -> tuple[bytes, ...]:
        from tests.logs import synthetic

        return tuple(getattr(synthetic, name)().encode() for name in names)

    return seeds


def _command(path: Path) -> list[str]:
    return ["report", str(path), "--html", str(path.parent / "page.html")]


def _log(name: str, what: str, seeds: Seeds, mutate: Mutate = mutate_text, file: str = "build.log") -> Kind:
    return Kind(name, what, seeds, mutate, as_file(file), report_on, _command)


def sensitivity_seeds() -> tuple[bytes, ...]:
    from tests.report.test_sensitivity import measured

    return (json.dumps(measured()).encode(),)


def perf_seeds() -> tuple[bytes, ...]:
    from tests.logs.test_kinds import edgekit_perf

    return (edgekit_perf().encode(),)


KINDS = (
    _log("mapper", "logs of hb_mapper", _texts("makertbin", "checker", "failed")),
    _log("modifier", "logs of hb_model_modifier", _texts("modifier")),
    _log("modelinfo", "hb_model_info", _texts("model_info")),
    _log("board", "hrt_model_exec", _texts("board_info", "board_perf")),
    _log("staticperf", "static performance JSON", _texts("static_perf"), mutate_json, "main_graph_subgraph_0.json"),
    _log("quantinfo", "quantization records", _texts("quant_info"), mutate_json, "m_quant_info.json"),
    _log("sensitivity", "sensitivities of nodes", sensitivity_seeds, mutate_json, "sensitivity.json"),
    _log("perf", "reports of edgekit perf", perf_seeds, mutate_json, "perf.json"),
)
