"""The demo model's network: a small YOLOv8-seg, its modules numbered and named as in a stock export."""

# mypy: disable-error-code="misc, no-any-return"
# (where torch is not installed, mypy sees no type behind its names)

from __future__ import annotations

import torch
from torch import Tensor, nn

REG_MAX = 16
MASKS = 32
STRIDES = (8, 16, 32)
WIDTHS = (8, 16, 32, 48, 56)  # of the stages at stride 2, 4, 8, 16, 32
BOX_WIDTH, CLASS_WIDTH, MASK_WIDTH, PROTO_WIDTH = 32, 16, 16, 24
# Number of the layer: the layers it reads, where that is not just the one before.
READS = {11: (10, 6), 14: (13, 4), 17: (16, 12), 20: (19, 9), 22: (15, 18, 21)}
PRIOR_SCORE = 0.01  # what every cell says before training, so that the first steps are calm


class Conv(nn.Module):
    """Convolution, batch norm, SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))

    def fold(self) -> None:
        """Moves the batch norm into the convolution."""
        bn = self.bn
        assert isinstance(bn, nn.BatchNorm2d) and bn.running_mean is not None and bn.running_var is not None
        gain = bn.weight / torch.sqrt(bn.running_var + bn.eps)
        self.conv.weight.data *= gain.view(-1, 1, 1, 1)
        self.conv.bias = nn.Parameter(bn.bias - bn.running_mean * gain)
        self.bn = nn.Identity()


class Bottleneck(nn.Module):
    """Two 3x3 convolutions, with or without a way around them."""

    def __init__(self, width: int, *, shortcut: bool) -> None:
        super().__init__()
        self.cv1, self.cv2, self.shortcut = Conv(width, width, 3), Conv(width, width, 3), shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.cv2(self.cv1(x))
        return x + y if self.shortcut else y


class C2f(nn.Module):
    """Splits the channels, sends one half through a bottleneck, and joins all parts."""

    def __init__(self, inputs: int, outputs: int, *, shortcut: bool) -> None:
        super().__init__()
        self.half = half = outputs // 2
        self.cv1, self.cv2 = Conv(inputs, 2 * half), Conv(3 * half, outputs)
        self.m = nn.ModuleList([Bottleneck(half, shortcut=shortcut)])

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.cv1(x).split((self.half, self.half), 1))
        parts.extend(m(parts[-1]) for m in self.m)
        return self.cv2(torch.cat(parts, 1))


class SPPF(nn.Module):
    """Three poolings in a row, so that a cell sees 5, 9 and 13 cells around it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cv1, self.cv2 = Conv(width, width // 2), Conv(width * 2, width)
        self.m = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.cv1(x)]
        parts.extend(self.m(parts[-1]) for _ in range(3))
        return self.cv2(torch.cat(parts, 1))


class Concat(nn.Module):
    def forward(self, parts: list[Tensor]) -> Tensor:
        return torch.cat(parts, 1)


class Proto(nn.Module):
    """Mask prototypes at a quarter of the input's size."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.cv1 = Conv(inputs, PROTO_WIDTH, 3)
        self.upsample = nn.ConvTranspose2d(PROTO_WIDTH, PROTO_WIDTH, 2, 2)
        self.cv2, self.cv3 = Conv(PROTO_WIDTH, PROTO_WIDTH, 3), Conv(PROTO_WIDTH, MASKS)

    def forward(self, x: Tensor) -> Tensor:
        return self.cv3(self.cv2(self.upsample(self.cv1(x))))


class DFL(nn.Module):
    """The expectation of the distance's distribution over REG_MAX bins, as a fixed convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(REG_MAX, 1, 1, bias=False).requires_grad_(False)
        self.conv.weight.data[:] = torch.arange(REG_MAX, dtype=torch.float32).view(1, REG_MAX, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        cells = x.shape[2]
        bins = x.view(x.shape[0], 4, REG_MAX, cells).transpose(2, 1).softmax(1)
        return self.conv(bins).view(x.shape[0], 4, cells)


class Segment(nn.Module):
    """Decoupled heads per stride (cv2 box, cv3 class, cv4 mask coefficients) and the prototypes.

    Training gives the raw tensors (B, channels, A); with a `grid` (see `anchor_grid`), which an export holds
    as constants, the boxes and scores are decoded and the stock export's two outputs are given.
    """

    def __init__(self, num_classes: int, inputs: tuple[int, ...]) -> None:
        super().__init__()
        self.grid: tuple[Tensor, Tensor] | None = None
        self.num_classes = num_classes
        self.cv2 = nn.ModuleList(_branch(width, BOX_WIDTH, 4 * REG_MAX) for width in inputs)
        self.cv3 = nn.ModuleList(_branch(width, CLASS_WIDTH, num_classes) for width in inputs)
        self.cv4 = nn.ModuleList(_branch(width, MASK_WIDTH, MASKS) for width in inputs)
        self.dfl = DFL()
        self.proto = Proto(inputs[0])
        odds = torch.tensor(PRIOR_SCORE / (1 - PRIOR_SCORE))
        for box, classes in zip(self.cv2, self.cv3, strict=True):
            nn.init.constant_(box[-1].bias, 0.5)
            nn.init.constant_(classes[-1].bias, float(odds.log()))

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, ...]:
        batch = maps[0].shape[0]
        boxes = torch.cat([m(x).view(batch, 4 * REG_MAX, -1) for m, x in zip(self.cv2, maps, strict=True)], -1)
        logits = torch.cat([m(x).view(batch, self.num_classes, -1) for m, x in zip(self.cv3, maps, strict=True)], -1)
        masks = torch.cat([m(x).view(batch, MASKS, -1) for m, x in zip(self.cv4, maps, strict=True)], 2)
        if self.grid is None:
            return boxes, logits, masks, self.proto(maps[0])
        centers, strides = self.grid
        near, far = self.dfl(boxes).chunk(2, 1)
        low, high = centers - near, centers + far
        xywh = torch.cat(((low + high) / 2, high - low), 1) * strides
        return torch.cat((xywh, logits.sigmoid(), masks), 1), self.proto(maps[0])


class DemoNet(nn.Module):
    """Backbone, feature pyramid and head; `model` is numbered as Ultralytics numbers YOLOv8-seg."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        a, b, c, d, e = WIDTHS
        self.model = nn.ModuleList(
            [
                Conv(3, a, 3, 2),
                Conv(a, b, 3, 2),
                C2f(b, b, shortcut=True),
                Conv(b, c, 3, 2),
                C2f(c, c, shortcut=True),
                Conv(c, d, 3, 2),
                C2f(d, d, shortcut=True),
                Conv(d, e, 3, 2),
                C2f(e, e, shortcut=True),
                SPPF(e),
                nn.Upsample(scale_factor=2.0, mode="nearest"),
                Concat(),
                C2f(e + d, d, shortcut=False),
                nn.Upsample(scale_factor=2.0, mode="nearest"),
                Concat(),
                C2f(d + c, c, shortcut=False),
                Conv(c, c, 3, 2),
                Concat(),
                C2f(c + d, d, shortcut=False),
                Conv(d, d, 3, 2),
                Concat(),
                C2f(d + e, e, shortcut=False),
                Segment(num_classes, (c, d, e)),
            ]
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """`images`: (B, 3, H, W) float32 RGB in 0..1, sides multiples of 32."""
        kept: list[Tensor] = []
        x = images
        for number, layer in enumerate(self.model):
            reads = READS.get(number)
            x = layer([kept[i] for i in reads] if reads else x)
            kept.append(x)
        return x

    def fold(self) -> DemoNet:
        """Folds every batch norm, in place."""
        for module in list(self.modules()):
            if isinstance(module, Conv):
                module.fold()
        return self


def anchor_grid(shapes_hw: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    """Cell centres (A, 2) in cells of their own stride, x then y, and their strides (A, 1)."""
    centers, strides = [], []
    for (height, width), stride in zip(shapes_hw, STRIDES, strict=True):
        rows, columns = torch.arange(height) + 0.5, torch.arange(width) + 0.5
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        centers.append(torch.stack((x, y), -1).view(-1, 2))
        strides.append(torch.full((height * width, 1), float(stride)))
    return torch.cat(centers), torch.cat(strides)


def _branch(inputs: int, width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(Conv(inputs, width, 3), Conv(width, width, 3), nn.Conv2d(width, outputs, 1))
