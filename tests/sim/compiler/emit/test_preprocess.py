"""The input convolution: known colours come out as the float model's values, in every kind and range."""

import numpy as np
import pytest

from edgekit.calibration.samples import Normalisation
from edgekit.errors import ConfigError
from edgekit.graph.float_graph import FloatGraph
from edgekit.ops.yuv import bgr_to_yuv444
from edgekit.sim.compiler.emit.preprocess import ImageInput, centred_affine, emit_preprocess
from edgekit.sim.compiler.emit.writer import GraphWriter
from edgekit.sim.compiler.scales import ScalePlan
from edgekit.spec import InputKind

UNIT = Normalisation((0.0,) * 3, (1 / 255,) * 3)
COLOURS_RGB = {"black": (0, 0, 0), "white": (255, 255, 255), "red": (255, 0, 0), "mud": (90, 60, 200)}


def image(
    kind: InputKind, *, train: InputKind = "rgb", space: str = "regular", norm: Normalisation = UNIT
) -> ImageInput:
    return ImageInput("images", kind, train, "NHWC", space, norm)


def pixel_of(rgb: tuple[int, int, int], kind: str, space: str) -> np.ndarray:
    """What the board feeds for a colour, uint8 (3,)."""
    bgr = np.array([[rgb[::-1]]], np.uint8)
    if kind in ("yuv444", "nv12"):
        return bgr_to_yuv444(bgr, color_range="full" if space == "regular" else "studio")[0, 0]
    return bgr[0, 0] if kind == "bgr" else np.array(rgb, np.uint8)


@pytest.mark.parametrize("train", ["rgb", "bgr"])
@pytest.mark.parametrize(
    ("kind", "space"), [("rgb", "regular"), ("bgr", "regular"), ("nv12", "regular"), ("nv12", "bt601_video")]
)
@pytest.mark.parametrize("colour", COLOURS_RGB)
def test_a_colour_comes_out_as_the_training_value(colour: str, kind: InputKind, space: str, train: InputKind) -> None:
    rgb = COLOURS_RGB[colour]
    matrix, offset = centred_affine(image(kind, train=train, space=space))
    found = matrix @ (pixel_of(rgb, kind, space).astype(float) - 128) + offset
    expected = np.array(rgb if train == "rgb" else rgb[::-1]) / 255
    tolerance = 1e-6 if kind in ("rgb", "bgr") else 2.5 / 255  # YUV pixels are rounded
    assert np.abs(found - expected).max() <= tolerance


def test_numbers_are_the_vendors_to_the_last_digit() -> None:
    """Those of the node that its builds of models fed in NV12 calibrate with."""
    matrix, offset = centred_affine(image("nv12", train="rgb", space="regular"))
    assert matrix.dtype == offset.dtype == np.float32
    one, red_v, green_u, green_v, blue_u = (
        0.003921568859368563,
        0.005496863275766373,
        -0.0013478432083502412,
        -0.0028007845394313335,
        0.0069498042576014996,
    )
    assert matrix.tolist() == [[one, 0, red_v], [one, green_u, green_v], [one, blue_u, 0]]
    assert offset.tolist() == [0.501960813999176, 0.5019607543945312, 0.5019608736038208]


def test_mean_and_scale_golden() -> None:
    norm = Normalisation((100.0, 110.0, 120.0), (0.5, 0.25, 0.125))
    matrix, offset = centred_affine(image("bgr", norm=norm))  # the board's order is B, G, R
    assert (matrix @ (np.array([7.0, 112.0, 104.0]) - 128) + offset).tolist() == [2.0, 0.5, -14.125]


@pytest.mark.parametrize("kind", ["rgb", "nv12"])
def test_integers_are_within_one_step(kind: InputKind) -> None:
    shapes = {"images": (1, 3, 4, 4)}
    graph = FloatGraph((), {}, shapes, "images", {})
    plan = ScalePlan({"images": "images"}, {"images": 1.0}, {"images": 8})
    writer = GraphWriter(graph, plan, {"images": 1 / 127})
    emit_preprocess(writer, image(kind))
    node = writer.nodes[-1]
    attrs = {a.name: list(a.ints) or a.i for a in node.attribute}
    weight, bias = (writer.initializers[name].astype(np.int64) for name in node.input[1:3])
    for rgb in COLOURS_RGB.values():
        x = pixel_of(rgb, kind, "regular").astype(np.int64) - 128
        products = weight[:, 0, 0, :] * x if kind == "nv12" else weight[:, 0, 0, 0] * x
        acc = (products.sum(axis=1) if kind == "nv12" else products) + bias
        v = np.clip(acc >> attrs["right_shift"], -32768, 32767)
        y = np.clip((v * attrs["scale"]) >> attrs["out_shift"], -128, 127)
        tolerance = 1.01 if kind == "rgb" else 2.3
        assert np.abs(y - np.array(rgb) / 255 * 127).max() <= tolerance


@pytest.mark.parametrize(
    ("kind", "train", "space"),
    [("gray", "rgb", "regular"), ("rgb", "rgb", "bt601_video"), ("featuremap", "rgb", "regular")],
)
def test_what_does_not_convert_is_refused(kind: InputKind, train: InputKind, space: str) -> None:
    with pytest.raises(ConfigError, match="input_type_rt") as caught:
        centred_affine(image(kind, train=train, space=space))
    assert caught.value.hint
