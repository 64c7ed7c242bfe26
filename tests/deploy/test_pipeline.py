"""From a stock export and images to a bundle that runs, with a stand-in for the vendor's commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.bundle import open_bundle
from edgekit.cli.main import main
from edgekit.compilation.strip_plan import STRIPPED_ROLES
from edgekit.deploy.pipeline import Deployed, deploy
from edgekit.errors import OutputError, ToolchainError
from edgekit.spec import load_spec
from tests.compilation.toolchain.stand_in import StandIn, compiled_bin
from tests.images import write_images
from tests.tiny_yolo import save_tiny_yolo
from tests.typed import detections


@pytest.fixture
def stock(tmp_path: Path) -> Path:
    """A stock export with images beside it."""
    write_images(tmp_path / "images", 4)
    return save_tiny_yolo(tmp_path / "tiny.onnx", family="yolov8", task="segment", num_classes=3, size_wh=(96, 64))


def play_tiny(stand_in: StandIn, folder: Path, stock: Path) -> None:
    """Lets the stand-in hand out compiled files that fit the export."""
    from edgekit.export import cut_graph
    from edgekit.graph.onnx_graph import load_model

    spec = cut_graph(load_model(stock)).spec
    plain, stripped = folder / "tiny_plain", folder / "tiny_stripped"
    plain.write_bytes(compiled_bin(spec))
    stripped.write_bytes(compiled_bin(spec, stripped=STRIPPED_ROLES))
    stand_in.play(plain=str(plain), stripped=str(stripped))


def call(stock: Path, output: Path, **options: object) -> Deployed:
    return deploy(stock, stock.parent / "images", output, num=3, **{"toolchain": "hb_mapper", **options})  # type: ignore[arg-type]


def test_the_bundle_has_all_that_running_needs(stand_in: StandIn, tmp_path: Path, stock: Path) -> None:
    play_tiny(stand_in, tmp_path, stock)
    done = call(stock, tmp_path / "b")
    opened = open_bundle(done.bundle.archive)
    wanted = {"model", "sidecar", "quantized", "quantized_sidecar", "labels", "report", "calibration", "buildinfo"}
    assert wanted <= set(opened.files)
    spec = load_spec(opened.files["sidecar"])
    assert (
        opened.model_path.name.endswith("_modified.bin")
        and spec.files["quantized"].name == opened.files["quantized"].name
    )
    assert opened.files["labels"].read_text().splitlines() == list(spec.names)
    assert json.loads(opened.files["calibration"].read_text())["schema"] == "edgekit.manifest/1"
    assert {"calibrate", "compile", "compile.makertbin.calibrate", "bundle"} <= set(done.seconds)


def test_a_second_call_does_nothing_twice_and_gives_the_same_bundle(
    stand_in: StandIn, tmp_path: Path, stock: Path
) -> None:
    play_tiny(stand_in, tmp_path, stock)
    first = call(stock, tmp_path / "b").bundle.archive.read_bytes()
    stand_in.forget()
    again = call(stock, tmp_path / "b")
    assert again.build.reused and again.calibration.reused and "hb_mapper makertbin" not in stand_in.calls
    assert again.bundle.archive.read_bytes() == first


def test_after_a_failure_it_goes_on(stand_in: StandIn, tmp_path: Path, stock: Path) -> None:
    play_tiny(stand_in, tmp_path, stock)
    stand_in.play(fail="makertbin:compile", lines=["boom"])
    with pytest.raises(ToolchainError):
        call(stock, tmp_path / "b")
    assert not (tmp_path / "b").exists()
    stand_in.forget()
    stand_in.play(fail=None)
    done = call(stock, tmp_path / "b")
    assert done.calibration.reused and "hb_mapper checker" not in stand_in.calls


def test_bad_calls_are_refused_before_any_work(stand_in: StandIn, tmp_path: Path, stock: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError):
        call(stock, tmp_path / "full")
    (stand_in.folder / "hb_mapper").unlink()
    with pytest.raises(ToolchainError):
        call(stock, tmp_path / "b")
    assert not (tmp_path / "b_work").exists() and not (tmp_path / "full_work").exists()


def test_without_a_toolchain_the_simulated_bundle_runs(
    no_toolchain: Path, stock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real thing throughout: the built-in compiler, then the session on the packed bundle."""
    import edgekit

    output = no_toolchain / "b"
    arguments = ["deploy", str(stock), "--images", str(stock.parent / "images"), "-o", str(output), "--num", "3"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "simulated: this bundle runs off the board only" in said and "on the board, there" not in said
    with edgekit.load(output.with_name("b.tar.gz")) as session:
        results = session.predict(edgekit.read_image(stock.parent / "images" / "image_000.png"))
    assert (
        session.spec.simulated
        and session.device.kind == "sim"
        and len(detections(results).scores) == len(detections(results).boxes_xyxy)
    )
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["simulated"] is True


def test_a_simulated_bin_is_stripped_without_any_toolchain(
    no_toolchain: Path, stock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = deploy(stock, stock.parent / "images", no_toolchain / "b", num=3, toolchain="sim")
    plain, stripped = done.build.bin_path, no_toolchain / "again.bin"
    assert main(["strip", str(plain), "-o", str(stripped)]) == 0
    assert stripped.read_bytes() == done.build.files["modified_bin"].read_bytes()
    again = load_spec(stripped.with_suffix(".json"))
    assert again.outputs == load_spec(done.build.files["modified_bin_sidecar"]).outputs
    assert main(["strip", str(stripped)]) == 2 and "removed before" in capsys.readouterr().err
    assert main(["strip", str(plain), "--print-command"]) == 2
