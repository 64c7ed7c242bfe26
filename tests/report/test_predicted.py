"""The latency model's word in a report: beside the compiler's, with what would be faster, and silent where not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from edgekit.report.as_json import report_json
from edgekit.report.build import Build
from edgekit.report.page import render_page
from edgekit.report.predicted import predict
from edgekit.report.report import make_report
from edgekit.report.text import print_report
from tests.latency.graphs import two_convs
from tests.logs import synthetic
from tests.report.builds import build_of


@pytest.fixture
def build(tmp_path: Path) -> Build:
    quantized = tmp_path / "m_quantized_model.onnx"
    quantized.write_bytes(two_convs(160))
    return replace(build_of(tmp_path, log=synthetic.makertbin()), quantized_onnx=quantized)


def test_the_terminal_has_both_figures_and_the_advice(build: Build) -> None:
    console = Console(record=True, width=200)
    print_report(console, make_report(build))
    printed = console.export_text()
    assert "predicted for O3" in printed and "static estimate, within" in printed
    assert "ms less: an input of 128x128 in place of 160x160" in printed


def test_json_and_page_have_it(build: Build) -> None:
    report = make_report(build)
    value = report_json(report)["performance"]["predicted"]
    assert value["latency_us"] > 0 and value["savings"][0]["milliseconds"] > 0
    page = render_page([report])
    assert "Time along the graph" in page and "What would make it faster" in page


def test_no_graph_another_march_and_a_broken_graph_say_nothing(build: Build) -> None:
    assert predict(replace(build, quantized_onnx=None)) is None
    assert build.quantized_onnx is not None
    build.quantized_onnx.write_bytes(b"no graph")
    assert predict(build) is None
    assert report_json(make_report(build))["performance"]["predicted"] is None


def test_it_is_left_out_on_request(build: Build) -> None:
    assert make_report(build, estimate=False).facts.predicted is None
