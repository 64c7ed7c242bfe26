"""int16 as the yaml asks for it: from node_info to the tensors that get 16 bits, and back."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from edgekit.errors import ConfigError
from edgekit.graph.float_graph import FloatGraph, FloatNode
from edgekit.sim.compiler.precision_rules import AVERAGE, PrecisionRules
from edgekit.sim.compiler.scales import ScalePlan, accumulator_outputs, takes_int8, tensors_of

INT16 = "int16"
OUTPUT_TYPE, INPUT_TYPE = "OutputType", "InputType"
ABSORBED = ("Split", "Relu", "Clip")  # whose names the board's compiler knows although they become part of others
PASSED_ON = ("Relu", "Clip", "BatchNormalization")  # their input's integers are those of their result
REQUESTED_BY_OUTPUT = ("Conv", "Mul", "Add", "Sub", "Concat", "Relu", "Sigmoid", AVERAGE)
UNSUPPORTED_HINT = "drop it from node_info, or compile with --toolchain hb_mapper"


@dataclass(frozen=True, slots=True)
class PrecisionGroup:
    """A smallest set of tensors that get 16 bits together; `node` makes the first of them."""

    node: str
    tensors: frozenset[str]


def int16_tensors(graph: FloatGraph, node_info: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
    """The float tensors of the simplified `graph` that get 16 bits by `node_info`, with all that must go with them.

    Raises ConfigError for nodes that the model does not have, and for what the board or its compiler does not do:
    the latter would ignore it without a word.
    """
    rules = PrecisionRules(graph)
    tensors: set[str] = set()
    for name, requested in node_info.items():
        node = _source_node(graph, name)
        if requested.get("ON", "BPU") != "BPU":
            raise ConfigError(
                f"node_info puts {name!r} on {requested['ON']!r}, expected 'BPU', the only place here",
                hint=UNSUPPORTED_HINT,
            )
        for key, value in requested.items():
            if key == "ON":
                continue
            if value != INT16:
                raise ConfigError(
                    f"node_info sets {key} of {name!r} to {value!r}, expected 'int16'", hint=UNSUPPORTED_HINT
                )
            for tensor in _named(graph, node, key):
                tensors |= _checked(rules, tensor, f"node_info {name!r} {key}")
    return frozenset(tensors)


def int16_outputs(graph: FloatGraph) -> frozenset[str]:
    """What `optimization: set_model_output_int16` makes wide: the outputs, heads in place of their accumulators."""
    rules = PrecisionRules(graph)
    tensors: set[str] = set()
    for tensor in graph.outputs.values():
        tensors |= _checked(rules, tensor, "optimization set_model_output_int16")
    return frozenset(tensors)


def outputs_for_int16(graph: FloatGraph) -> frozenset[str]:
    """The outputs that leave the BPU as 32-bit accumulators and can leave it in 16 bits, half the bytes."""
    rules, tensors = PrecisionRules(graph), set[str]()
    for tensor in sorted(accumulator_outputs(graph)):
        together = rules.closure([tensor])
        if not any(rules.why_not_int16(name) or rules.fused_reason(name) for name in together):
            tensors |= together
    return frozenset(tensors)


def int16_everywhere(graph: FloatGraph) -> frozenset[str]:
    """What `optimization: set_all_nodes_int16` makes wide: all but the surroundings of the BPU's int8 operations."""
    rules = PrecisionRules(graph)
    seeds = []
    for tensor in tensors_of(graph):
        readers = rules.consumers.get(tensor, [])
        int8 = any(n.op == AVERAGE for n in readers) or (readers and all(map(takes_int8, readers)))
        if tensor not in rules.int8_only and not int8:
            seeds.append(tensor)
    tensors = rules.closure(seeds)
    for tensor in sorted(tensors):
        _refuse(tensor, rules.why_not_int16(tensor), "optimization set_all_nodes_int16")
    return tensors


def node_info_for(graph: FloatGraph, tensors: Collection[str]) -> dict[str, dict[str, str]]:
    """The smallest node_info for which `int16_tensors` gives `tensors`, closed; ConfigError where none does."""
    rules = PrecisionRules(graph)
    target = frozenset().union(*(_checked(rules, tensor, f"16 bits for {tensor!r}") for tensor in sorted(tensors)))
    order = {name: index for index, name in enumerate(tensors_of(graph))}
    missing, info = set(target), dict[str, dict[str, str]]()
    while missing:
        tensor = max(missing, key=order.__getitem__)  # what stands behind asks for what stands in front
        name, key = _request(graph, rules, rules.closure([tensor]), info)
        info.setdefault(name, {"ON": "BPU"})[key] = INT16
        missing -= rules.closure([tensor])
    pruned = _pruned(graph, info, target)
    return {node.name: pruned[node.name] for node in graph.source if node.name in pruned}


def precision_groups(graph: FloatGraph, plan: ScalePlan) -> tuple[PrecisionGroup, ...]:
    """The smallest sets that can have 16 bits on the board and have 8 in `plan`, by their nodes in running order."""
    rules, heads = PrecisionRules(graph), accumulator_outputs(graph)
    int16 = {name for name, bits in plan.bits.items() if bits == 16}
    groups: dict[frozenset[str], str] = {}
    for tensor in tensors_of(graph):
        together = rules.closure([tensor])
        if any(rules.why_not_int16(name) or rules.fused_reason(name) for name in together) or together & heads:
            continue
        producer = rules.producers.get(tensor)
        groups.setdefault(together - int16, producer.name if producer else f"HZ_PREPROCESS_FOR_{tensor}")
    return tuple(PrecisionGroup(node, tensors) for tensors, node in groups.items() if tensors)


def _source_node(graph: FloatGraph, name: str) -> FloatNode:
    """The node of the file that a yaml names, where it is one that the board's compiler listens to."""
    node = next((n for n in graph.source if n.name == name), None)
    if node is None:
        near = difflib.get_close_matches(name, [n.name for n in graph.source], n=3, cutoff=0.6)
        raise ConfigError(
            f"node_info names {name!r}, expected a node of the model",
            hint=f"did you mean {' or '.join(map(repr, near))}?"
            if near
            else "names are those of the ONNX file's nodes",
        )
    if node.op not in ABSORBED and all(n.name != name for n in graph.nodes):
        raise ConfigError(
            f"node_info names {name!r} ({node.op}), which becomes part of another node, expected one that stays",
            hint="name the convolution, or the Mul that ends a swish: the board's compiler ignores this one",
        )
    return node


def _named(graph: FloatGraph, node: FloatNode, key: str) -> Iterator[str]:
    """The simplified graph's tensors that `key` of `node` speaks of."""
    kept = next((n for n in graph.nodes if n.name == node.name), node)
    if kept.op == "Scale":
        raise ConfigError(
            f"node_info names {node.name!r} ({node.op} by a constant), which becomes part of its neighbours",
            hint="name the node in front of it or behind it: the board's compiler ignores this one",
        )
    if key == OUTPUT_TYPE:
        for tensor in (_tensor_of(graph, node, name) for name in node.outputs):
            if PrecisionRules(graph).stays_int8(tensor):
                raise ConfigError(
                    f"node_info sets {key} of {node.name!r} ({node.op}), which is read by an int8 operation and no "
                    "convolution, to int16: the board's compiler leaves it in int8",
                    hint="ask for InputType of the convolution behind the Concat that reads it, too",
                )
            yield tensor
        return
    if node.op == AVERAGE or takes_int8(kept):
        raise ConfigError(
            f"node_info sets {key} of {node.name!r} ({node.op}) to int16, expected int8: the BPU has no other form",
            hint=UNSUPPORTED_HINT,
        )
    inputs = kept.inputs if kept.op == "Table" else node.inputs  # those of a swish without its Sigmoid
    data = [name for name in inputs if name and name not in graph.constants]
    index = key.removeprefix(INPUT_TYPE)
    if index and (int(index) >= len(node.inputs) or node.inputs[int(index)] not in data):
        raise ConfigError(
            f"node_info sets {key} of {node.name!r} ({node.op}), expected an input that the model computes",
            hint=f"it has {len(data)} of them, counted from 0",
        )
    chosen = [node.inputs[int(index)]] if index else data
    yield from (_tensor_of(graph, node, name) for name in chosen)


def _tensor_of(graph: FloatGraph, node: FloatNode, tensor: str) -> str:
    """The simplified graph's tensor that holds the integers of the file's `tensor`."""
    known = set(tensors_of(graph))
    while tensor not in known:
        behind = next((n for n in graph.source if tensor in n.inputs and n.op in PASSED_ON), None)
        if behind is None:
            raise ConfigError(
                f"node_info asks {node.name!r} ({node.op}) for {tensor!r} in int16, which no integer tensor stands for",
                hint="name the convolution or the Mul next to it",
            )
        tensor = behind.output
    return tensor


def _checked(rules: PrecisionRules, tensor: str, location: str) -> frozenset[str]:
    together = rules.closure([tensor])
    _refuse(tensor, rules.fused_reason(tensor), location)
    for name in sorted(together):
        _refuse(name, rules.why_not_int16(name), location)
    return together


def _refuse(tensor: str, reason: str, location: str) -> None:
    if reason:
        raise ConfigError(
            f"{location}: {tensor!r} {reason}, expected a tensor that can have 16 bits", hint=UNSUPPORTED_HINT
        )


def _request(
    graph: FloatGraph, rules: PrecisionRules, together: frozenset[str], info: Mapping[str, Mapping[str, str]]
) -> tuple[str, str]:
    """(node, key) that makes `together` wide: at a node that is named already where one is, else at the maker."""
    originals = {node.name: node for node in graph.source}
    requests: list[tuple[str, str]] = []
    for tensor in tensors_of(graph):
        if tensor not in together or rules.closure([tensor]) != together:
            continue
        producer = rules.producers.get(tensor)
        in_file = producer is not None and producer.op != "Scale" and producer.name in originals
        if (
            producer is not None
            and in_file
            and originals[producer.name].op in REQUESTED_BY_OUTPUT
            and not rules.stays_int8(tensor)
        ):
            requests.append((producer.name, OUTPUT_TYPE))
        requests += [
            (n.name, INPUT_TYPE) for n in rules.consumers.get(tensor, []) if n.op == "Conv" and n.name in originals
        ]
    if any(map(rules.stays_int8, together)):  # the surest way is the convolution behind all of them
        requests.sort(key=lambda request: request[1] != INPUT_TYPE)
    if not requests:
        raise ConfigError(
            f"16 bits for {', '.join(sorted(together))} cannot be asked for, expected a node that names one of them",
            hint="choose tensors that a convolution reads or makes",
        )
    return next((request for request in requests if request[0] in info), requests[0])


def _pruned(graph: FloatGraph, info: dict[str, dict[str, str]], target: frozenset[str]) -> dict[str, dict[str, str]]:
    """`info` without the requests that others imply."""
    for name in list(info):
        for key in [key for key in info[name] if key != "ON"]:
            less = {n: {k: v for k, v in g.items() if (n, k) != (name, key)} for n, g in info.items()}
            less = {n: g for n, g in less.items() if len(g) > 1}
            if int16_tensors(graph, less) == target:
                info = less
    return info
