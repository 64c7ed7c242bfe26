"""The proof that cutting, lowering and rewriting leave the heads' numbers alone, as far as float32 can tell.

The measure is relative to a head's largest number. Some graphs, random weights above all, enlarge the rounding of
their first layers until it shows: there a rewritten softmax may differ as much as the graph itself does when the
image changes in its last bit, provided that each softmax by itself is right and everything else is unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import onnx

from edgekit.errors import ModelError
from edgekit.export.head_match import Outputs
from edgekit.export.softmax_rewrite import AttentionProduct, attention_product
from edgekit.graph.onnx_graph import declared_shape, extract, graph_inputs, open_session

HEAD_TOLERANCE = 1e-3  # relative to a head's largest value: rounding of rewritten, not of wrong, arithmetic
SOFTMAX_TOLERANCE = 1e-5  # of shares 0..1
MARGIN = 10.0  # a rewritten step rounds several times where a changed image rounds once
Heads = Mapping[str, npt.NDArray[np.float32]]


def prove_heads(
    source: onnx.ModelProto,
    cut: onnx.ModelProto,
    outputs: Outputs,
    *,
    kept: Callable[[], onnx.ModelProto],
    heads_split: Callable[[], onnx.ModelProto],
) -> tuple[str, ...]:
    """Hold `cut` against `source` on an image of noise; returns what is to be said of it.

    kept: makes the cut graph as it is before attention is rewritten. heads_split: the same with attention head by
    head, its softmaxes as they were. Raises ModelError where heads differ by more than rounding, or where `source`
    itself gives no finite numbers.
    """
    rng = np.random.default_rng(0)
    feeds = {value.name: rng.random(declared_shape(value), np.float32) for value in graph_inputs(source)}
    run = open_session(extract(source, {}, dict.fromkeys(t for t, _ in outputs.values())))

    def stock_heads(x: Heads) -> Heads:
        outputs_by_name = run(x)
        return {name: _channels_last(outputs_by_name[tensor]) for name, (tensor, _) in outputs.items()}

    expected = stock_heads(feeds)
    if broken := [name for name, values in expected.items() if not np.isfinite(values).all()]:
        raise ModelError(
            f"the stock graph gives numbers beyond float32 at {outputs[broken[0]][0]!r} on an image of noise",
            hint="its weights are broken, as after a training that diverged: export another checkpoint",
        )
    outputs_by_name = _differences(open_session(cut)(feeds), expected)
    name = max(outputs_by_name, key=lambda n: np.nan_to_num(outputs_by_name[n], nan=np.inf))
    if outputs_by_name[name] <= HEAD_TOLERANCE:
        return ()
    own = max(_differences(stock_heads(x), expected)[name] for x in _moved(feeds))
    before, split = _differences(open_session(kept())(feeds), expected), heads_split()
    moved = (outputs_by_name[name], _differences(open_session(split)(feeds), expected)[name])
    unchanged = all(d <= HEAD_TOLERANCE for d in before.values()) and all(d <= MARGIN * own for d in moved)
    if unchanged and _softmaxes_are_right(split, cut, feeds):
        return (
            f"its numbers are at the edge of float32: head {name} moves by {own:.2g} of its largest value when the "
            f"image changes in its last bit, and by {outputs_by_name[name]:.2g} by the rewritten softmax",
        )
    raise ModelError(
        f"output {name!r} of the cut graph differs from the stock graph's {outputs[name][0]!r} by "
        f"{outputs_by_name[name]:.3g} of its largest value, expected at most {HEAD_TOLERANCE}",
        hint="export with opset=11; if it stays, keep attention as it is: edgekit cut --keep-softmax",
    )


def _moved(feeds: Heads) -> list[Heads]:
    """The image changed in its last bit, down and up."""
    return [{name: np.nextafter(x, np.float32(end)) for name, x in feeds.items()} for end in (-1, 2)]


def _channels_last(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return values.transpose(0, 2, 3, 1) if values.ndim == 4 else values


def _differences(ours: Heads, expected: Heads) -> dict[str, float]:
    with np.errstate(all="ignore"):  # what is not finite differs
        return {
            name: float(np.abs(ours[name] - values).max() / max(1.0, np.abs(values).max()))
            for name, values in expected.items()
        }


def _softmaxes_are_right(source: onnx.ModelProto, cut: onnx.ModelProto, feeds: Heads) -> bool:
    """Whether what stands in `cut` for each softmax gives its shares, on the very numbers that `source` gives it.

    Where the division is split around a product with values, the product is held against the one with those shares.
    """
    made = {name for node in cut.graph.node for name in node.output}
    nodes = [n for n in source.graph.node if n.op_type == "Softmax" and {n.input[0], n.output[0]} <= made]
    products = {n.output[0]: attention_product(source, n) for n in nodes if f"{n.output[0]}_inverse_root" in made}
    inputs = dict.fromkeys([*(n.input[0] for n in nodes), *(p.values for p in products.values() if p is not None)])
    if not nodes or None in products.values() or not inputs.keys() <= made:
        return False
    values = open_session(extract(source, {}, inputs))(feeds)
    return all(_is_right(cut, values, node, products.get(node.output[0])) for node in nodes)


def _is_right(cut: onnx.ModelProto, values: Heads, node: onnx.NodeProto, product: AttentionProduct | None) -> bool:
    """Whether the cut graph gives a softmax's shares, or their product with values, on the stock graph's numbers."""
    names = [node.input[0]] if product is None else [node.input[0], product.values]
    end = node.output[0] if product is None else product.node.output[0]
    run = open_session(extract(cut, {name: values[name].shape for name in names}, [end]))
    ours = run({name: values[name] for name in names})[end]
    scores = values[node.input[0]].astype(np.float64)
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    expected, size = powers / powers.sum(axis=-1, keepdims=True), 1.0
    if product is not None:
        weighted = values[product.values].astype(np.float64)
        size = float(np.abs(weighted).max())
        expected = weighted @ expected.swapaxes(-1, -2) if product.queries_last else expected @ weighted
    return bool(np.abs(ours - expected).max() <= SOFTMAX_TOLERANCE * size)
