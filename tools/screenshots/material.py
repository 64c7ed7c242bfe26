"""What the pages are made of: the demo's build, more generated scenes, a tuning; made once and kept in a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.cli.main import main
from edgekit.demo.scenes import render_image
from edgekit.output.writer import write_image

SCENES, FIRST_SEED = 32, 50_000  # seeds that neither training nor the demo uses
SIZES_WH = ((640, 480), (480, 640), (800, 600), (512, 512))
TUNE_OPTIONS = ("--minutes", "3", "--max-extra-cost", "1")


@dataclass(frozen=True)
class Material:
    """A folder of what the screenshots show; every property makes its files where they are missing."""

    folder: Path

    @property
    def demo(self) -> Path:
        """The demo's output: float model, int8 build, calibration images."""
        folder = self.folder / "demo"
        return made(folder, folder / "results.json", ["demo"])

    @property
    def scenes(self) -> Path:
        """Generated images."""
        folder = self.folder / "scenes"
        for index in range(SCENES):
            path = folder / f"scene_{index:03d}.jpg"
            if not path.is_file():
                write_image(path, render_image(FIRST_SEED + index, SIZES_WH[index % len(SIZES_WH)]).bgr)
        return folder

    @property
    def float_model(self) -> Path:
        """The cut float model."""
        return self.demo / "work" / "demo_seg_heads.onnx"

    @property
    def int8_model(self) -> Path:
        """The untuned int8 graph."""
        return next((self.demo / "work" / "model_output").glob("*_quantized_model.onnx"))

    @property
    def report_page(self) -> Path:
        """The page of `edgekit report` on the demo's build."""
        return self._page("report", lambda page: ["report", str(self.demo / "work"), "--html", page])

    @property
    def compare_page(self) -> Path:
        """The page of `edgekit compare` of the float model with the int8 graph."""
        models = [str(self.float_model), str(self.int8_model)]
        images = ["--images", str(self.scenes), "--num", str(SCENES)]
        return self._page("compare", lambda page: ["compare", *models, *images, "--html", page])

    @property
    def tune_page(self) -> Path:
        """The page of `edgekit tune` on the demo's model."""
        page = self.folder / "tune" / "tuned" / "tune.html"
        images = ["--images", str(self.demo / "calibration_images")]
        return made(
            page.parent.parent, page, ["tune", str(self.demo / "demo_seg.onnx"), *images, *TUNE_OPTIONS]
        ).joinpath("tuned", page.name)

    def _page(self, name: str, arguments: Callable[[str], Sequence[str]]) -> Path:
        page = self.folder / f"{name}.html"
        if not page.is_file():
            run([*arguments(str(page))])
        return page


def made(folder: Path, last: Path, arguments: Sequence[str]) -> Path:
    """Return a folder that a command makes, unless its last file is there already."""
    if not last.is_file():
        run([*arguments, "-o", str(folder)])
    return folder


def run(arguments: Sequence[str]) -> None:
    """Run a command of edgekit; raises SystemExit if it fails."""
    if main(list(arguments)):
        raise SystemExit(f"edgekit {' '.join(arguments)} failed")
