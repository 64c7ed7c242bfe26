"""Makes tests/fixtures/vendor: what the vendor's executor computes, so that tests need no toolchain.

demo: the demo model compiled by the real toolchain, with the integers of its outputs on one generated image.
ops: random one-operator graphs (tests/sim/random_ops.py), with the integers of every result.

Needs a toolchain: edgekit toolchain install; then python tools/make_vendor_fixtures.py
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures" / "vendor"
SEED = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", default=["demo", "ops"], choices=["demo", "ops"])
    args = parser.parse_args()
    FIXTURES.mkdir(parents=True, exist_ok=True)
    for what in args.what:
        {"demo": make_demo, "ops": make_ops}[what]()


def make_ops() -> None:
    from edgekit.sim.graph import load_graph
    from edgekit.sim.vendor_executor import vendor_tensors
    from tests.sim.random_ops import MAKERS, random_graph, random_input

    arrays: dict[str, np.ndarray] = {}
    for kind in sorted(MAKERS):
        data = random_graph(kind, SEED)
        graph = load_graph(data)
        tensors = vendor_tensors(data, graph, random_input(SEED))
        arrays |= {f"{kind}:{name}": tensors[name] for name in graph.outputs}
        print(kind, sum(tensors[name].size for name in graph.outputs), "integers")
    np.savez_compressed(FIXTURES / "ops.npz", **arrays)  # type: ignore[arg-type]


def make_demo() -> None:
    from edgekit.calibration.pipeline import calibrate
    from edgekit.compilation.build import compile_model
    from edgekit.demo.assets import copy_model, write_calibration_images, write_images
    from edgekit.sim.graph import load_graph
    from edgekit.sim.vendor_executor import vendor_tensors
    from edgekit.sim.verify import raw_outputs
    from edgekit.sim.verify_inputs import image_frames

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        stock = copy_model(folder / "demo_seg.onnx")
        write_calibration_images(folder / "calibration")
        write_images(folder / "images")
        work = calibrate(stock, folder / "calibration", folder / "work", num=24, input_kind="nv12", march="bayes-e")
        built = compile_model(work.yaml_path, toolchain="hb_mapper")
        quantized = next(built.bin_path.parent.glob("*_quantized_model.onnx"))
        graph = load_graph(quantized)
        frame = next(image_frames(graph, quantized, folder / "images", 1))
        tensors = vendor_tensors(quantized, graph, frame)
        arrays = {f"input:{name}": value for name, value in frame.items()}
        arrays |= {f"int:{out.name}": tensors[out.tensor] for out in raw_outputs(graph).outputs.values()}
        shutil.copyfile(quantized, FIXTURES / "demo_quantized_model.onnx")
        np.savez_compressed(FIXTURES / "demo.npz", **arrays)  # type: ignore[arg-type]
        print("demo", sum(value.size for value in arrays.values()), "integers")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
