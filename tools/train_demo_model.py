"""Trains the demo model from scratch on generated images and exports it as a stock-shaped ONNX.

    python -m venv torch-env
    torch-env/bin/pip install torch==2.13.0 onnx pycocotools -e ".[host]"
    torch-env/bin/python tools/train_demo_model.py --out edgekit/demo

Renders its images once into --work, trains on one processor core (about 40 minutes), resumes
when interrupted, scores the exported file on unseen images and writes demo_seg.onnx with its record.
"""

# mypy: disable-error-code="misc, no-any-return, untyped-decorator"
# (where torch is not installed, mypy sees no type behind its names)

from __future__ import annotations

import argparse
import itertools
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from demo_model.dataset import (
    TRAIN_SEED,
    VAL_SEED,
    Images,
    batches,
    load_images,
    train_size,
    val_size,
)
from demo_model.export import export_onnx
from demo_model.loss import Truth, segment_loss
from demo_model.network import DemoNet
from demo_model.score import score_onnx
from torch import Tensor

from edgekit.demo.assets import MODEL_NAME, RECORD_NAME
from edgekit.demo.shapes import CLASS_NAMES
from edgekit.files import atomic_path, sha256_file, write_json

BATCH = 16
SMALL_WH = (192, 160)  # the first part of the training sees images of this size, three times as fast
PEAK_RATE, FINAL_SHARE = 3e-3, 0.02
WARM_STEPS = 150
EMA_DECAY = 0.998


def main() -> int:
    args = _arguments()
    torch.set_num_threads(args.threads)
    train = load_images(args.work / "train", args.images, TRAIN_SEED, train_size)
    val = load_images(args.work / "val", args.val_images, VAL_SEED, val_size)
    net = train_network(train, args)
    onnx_path = args.out / MODEL_NAME
    export_onnx(net, onnx_path)
    record = _record(onnx_path, score_onnx(onnx_path, val), args)
    write_json(args.out / RECORD_NAME, record)
    print(f"{onnx_path}: {record}")
    return 0


def _record(path: Path, scores: dict[str, float], args: argparse.Namespace) -> dict[str, object]:
    """What is shipped beside the model: its hash, how good it is, and how to make it again."""
    training = {name: getattr(args, name) for name in ("images", "small_steps", "steps", "seed")}
    return {
        "sha256": sha256_file(path),
        "bytes": path.stat().st_size,
        "scores": {**scores, "images": args.val_images},
        "training": {**training, "batch": BATCH, "torch": torch.__version__},
    }


def train_network(train: Images, args: argparse.Namespace) -> DemoNet:
    """Trains from the last checkpoint in `args.work` on, and gives the averaged network."""
    torch.manual_seed(args.seed)
    net = DemoNet(len(CLASS_NAMES)).to(memory_format=torch.channels_last)
    mean = DemoNet(len(CLASS_NAMES))
    mean.load_state_dict(net.state_dict())
    optimizer = torch.optim.AdamW(_parameter_groups(net), lr=PEAK_RATE, betas=(0.9, 0.98))
    step = _restore(args.work / "checkpoint.pt", net, mean, optimizer)
    total, started, first = args.small_steps + args.steps, time.monotonic(), step
    for images in itertools.islice(batches(train, BATCH, seed=args.seed, first_step=step), total - step):
        losses = _train_step(net, optimizer, images, _rate(step, total), small=step < args.small_steps)
        _follow(mean, net, min(EMA_DECAY, (1 + step) / (20 + step)))
        step += 1
        if step % 25 == 0:
            text = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
            left = (time.monotonic() - started) / (step - first) * (total - step)
            print(f"step {step}/{total} {text}, about {left / 60:.0f} min left", flush=True)
        if step % 200 == 0 or step == total:
            _save(args.work / "checkpoint.pt", step, net, mean, optimizer)
    return mean.eval()


def _train_step(
    net: DemoNet, optimizer: torch.optim.Optimizer, images: Images, rate: float, *, small: bool
) -> dict[str, float]:
    batch, truth = to_tensors(images, small=small)
    for group in optimizer.param_groups:
        group["lr"] = rate
    parts = segment_loss(net.train()(batch), truth)
    optimizer.zero_grad(set_to_none=True)
    torch.stack(list(parts.values())).sum().backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
    optimizer.step()
    return {name: float(value.detach()) for name, value in parts.items()}


def to_tensors(images: Images, *, small: bool = False) -> tuple[Tensor, Truth]:
    """A batch as (B, 3, H, W) float32 in 0..1 and what is in it."""
    batch = torch.from_numpy(images.rgb).permute(0, 3, 1, 2).float() / 255
    owner, boxes = torch.from_numpy(images.owner), torch.from_numpy(images.boxes_xyxy)
    if small:
        height, width = batch.shape[2:]
        factor = torch.tensor([SMALL_WH[0] / width, SMALL_WH[1] / height] * 2)
        batch = F.interpolate(batch, SMALL_WH[::-1], mode="area")
        owner = F.interpolate(owner[:, None], SMALL_WH[::-1], mode="nearest-exact")[:, 0]
        boxes = boxes * factor
    batch = batch.to(memory_format=torch.channels_last)
    return batch, Truth(torch.from_numpy(images.classes), boxes, owner)


def _rate(step: int, total: int) -> float:
    if step < WARM_STEPS:
        return PEAK_RATE * (step + 1) / WARM_STEPS
    done = (step - WARM_STEPS) / max(total - WARM_STEPS, 1)
    return PEAK_RATE * (FINAL_SHARE + (1 - FINAL_SHARE) * (1 + math.cos(math.pi * done)) / 2)


def _parameter_groups(net: DemoNet) -> list[dict[str, object]]:
    """Weights decay; biases and batch norms do not."""
    trained = [p for p in net.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": 0.02},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


@torch.no_grad()
def _follow(mean: DemoNet, net: DemoNet, decay: float) -> None:
    """Moves the running mean of all weights and statistics towards the network."""
    source = net.state_dict()
    for name, value in mean.state_dict().items():
        if value.dtype.is_floating_point:
            value.lerp_(source[name], 1 - decay)


def _save(path: Path, step: int, net: DemoNet, mean: DemoNet, optimizer: torch.optim.Optimizer) -> None:
    state = {"step": step, "net": net.state_dict(), "mean": mean.state_dict(), "optimizer": optimizer.state_dict()}
    with atomic_path(path) as temporary:
        torch.save(state, temporary)


def _restore(path: Path, net: DemoNet, mean: DemoNet, optimizer: torch.optim.Optimizer) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    net.load_state_dict(state["net"])
    mean.load_state_dict(state["mean"])
    optimizer.load_state_dict(state["optimizer"])
    print(f"going on after step {state['step']}")
    return int(state["step"])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the exported model")
    parser.add_argument("--work", type=Path, default=Path("demo_training"), help="images and checkpoints")
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--val-images", type=int, default=200)
    parser.add_argument("--small-steps", type=int, default=2400, help="steps at the small size")
    parser.add_argument("--steps", type=int, default=1000, help="steps at the full size")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
