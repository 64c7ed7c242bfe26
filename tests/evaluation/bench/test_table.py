from __future__ import annotations

import csv
import io
import re

from edgekit.evaluation.bench.report import SIM_NOTE
from edgekit.evaluation.bench.row import Metric
from edgekit.evaluation.bench.table import csv_text, display_names, markdown, text_table
from tests.evaluation.bench.reports import failed, report, row, simulated

MASKS = {"box": Metric("mAP50-95", 0.4079, 0.36, 0.45), "mask": Metric("mAP50-95", 0.3334, 0.3, 0.37)}


def test_the_text_has_what_the_classic_scripts_print() -> None:
    lines = text_table(report(row(scores=MASKS), simulated(p50=5.0), failed())).splitlines()
    assert lines[0] == "mAP50-95 in % on 129 images; times on 32 images of the data set"
    columns = re.split(r"\s{2,}", lines[1])
    assert columns == [
        "status", "model", "format", "device", "WxH", "threads", "MB", "mAP box", "mAP mask", "infer", "ms p50", "p90",
        "p99", "frames/s",
    ]  # fmt: skip
    assert re.split(r"\s{2,}", lines[3]) == [
        "ok", "yolo", "ONNX float32", "cpu", "640x480", "2", "12.2", "40.8", "33.3", "18.0", "20.0", "22.0",
        "30.0", "50.0",
    ]  # fmt: skip
    assert re.split(r"\s{2,}", lines[4])[3:] == [
        "sim *", "640x480", "2", "12.2", "40.0", "-", "3.00", "5.00", "5.50", "7.50", "200.0",
    ]  # fmt: skip
    assert "failed  broken" in lines[5] and lines[5].count(" -") == 7
    assert SIM_NOTE in lines
    assert lines[-3:] == [
        "failed: broken.onnx at 640x480 on auto with 2 threads",
        "  error: broken.onnx | is broken",
        "  hint: fix it",
    ]
    assert {len(line) for line in lines[1:3]} == {len(lines[3])}


def test_without_labels_the_score_is_a_dash_and_nothing_is_simulated() -> None:
    text = text_table(report(row(box=None)))
    assert "no mAP without labels (--data)" in text and "mAP50-95" in text and "simulated" not in text
    assert text.splitlines()[3].split()[8] == "-"


def test_a_narrow_terminal_gets_fewer_columns_and_never_less_than_what_was_asked() -> None:
    one = report(row(), simulated())
    narrow = text_table(one, width=80).splitlines()[1]
    assert len(narrow) <= 80 and "infer" not in narrow and "ms p50" in narrow and "mAP box" in narrow
    assert text_table(one, width=10).splitlines()[1].split()[0] == "status"


def test_names_lose_the_endings_that_the_format_says_but_stay_apart() -> None:
    rows = [
        row("a.onnx"),
        simulated("a_quantized_model.onnx"),
        row("a.onnx", file="old/a.onnx"),
        row("b.bin", format=".bin"),
    ]
    assert display_names(rows) == {
        "models/a.onnx": "models/a.onnx",
        "models/a_quantized_model.onnx": "a",
        "old/a.onnx": "old/a.onnx",
        "models/b.bin": "b",
    }


def test_markdown_is_one_table_with_intervals_notes_and_errors() -> None:
    page = markdown(
        report(row(scores=MASKS, notes=("cut in memory",)), simulated("a_b_quantized_model.onnx"), failed()),
        plot="p.png",
    )
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1 and len(table) == 5
    assert "mAP50-95 mask" in table[0] and "40.8 [36.0, 45.0]" in table[2] and "a\\_b" in table[3]
    assert "sim \\*" in table[3] and "say nothing of a board" in page
    assert "![mAP against latency](p.png)" in page
    assert "- error: broken.onnx \\| is broken" in page and "- hint: fix it" in page
    assert "- yolo.onnx: cut in memory" in page and "A Processor" in page and "None" not in page


def test_csv_has_every_figure_of_every_row() -> None:
    first, second, third = csv.DictReader(io.StringIO(csv_text(report(row(scores=MASKS), simulated(), failed()))))
    assert (first["mAP50-95_box"], first["mAP50-95_mask_low"], first["p99_ms"]) == ("0.4079", "0.3", "30.0")
    assert (first["infer_p50_ms"], first["fps"], first["size_mb"]) == ("18.0", "50.0", "12.25")
    assert (first["width"], first["height"], first["simulated"]) == ("640", "480", "false")
    assert (second["simulated"], second["mAP50-95_mask"], second["device"]) == ("true", "", "sim")
    assert (third["status"], third["p50_ms"], third["error"]) == ("failed", "", "broken.onnx | is broken")


def test_what_does_not_fit_is_said_once_for_all_threads() -> None:
    unfit = failed("big.onnx", "unfit", threads=0)
    one = report(row(), unfit, unfit)
    assert csv_text(one).count("unfit") == markdown(one).count("| unfit |") == 1
    text = text_table(one)
    assert text.count("hint: fix it") == 1 and "unfit: big.onnx at 640x480 on auto\n" in text


def test_the_latency_models_frame_has_its_column_and_its_legend() -> None:
    with_estimate = report(row(), simulated(static_ms=4.25))
    lines = text_table(with_estimate).splitlines()
    assert "BPU ms" in lines[1] and any("4.2" in line and "tiny" in line for line in lines)
    assert any("static estimate of a frame on the BPU" in line for line in lines)
    assert "static_estimate_ms" in csv_text(with_estimate).splitlines()[0]
    assert "BPU ms" not in text_table(report(row()))
