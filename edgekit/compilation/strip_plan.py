"""Which Dequantize nodes go: decided by each head's role, found through the model's own node list."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from edgekit.errors import ConfigError, ModelError
from edgekit.spec import ROLES, HeadSpec, ModelSpec

# Heads of which decoding touches only the cells that pass the class gate: a few hundred values of a million.
STRIPPED_ROLES = ("box", "mask", "keypoint", "angle")
# Ultralytics' names of the head branches, for models without a sidecar.
BRANCH = re.compile(r"/(?:one2one_)?cv([234])(?:[./]|$)")
BRANCH_ROLES = {"2": "box", "3": "class", "4": "extra"}
REASON_REMOVED = "only cells that pass the class gate are decoded"
REASONS_KEPT = {"class": "the gate reads every value", "proto": "a matrix product reads every value"}
REASON_NOT_SELECTED = "not among the roles to strip"


class NodeLike(Protocol):
    """A node of the runtime's graph, from the `.bin` itself or from a log."""

    @property
    def name(self) -> str:
        """Name of the node."""

    @property
    def op_type(self) -> str:
        """Operator of the node."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Tensors that it writes."""


@dataclass(frozen=True, slots=True)
class StripDecision:
    """One head: the node that converts it ("" where its integers come out already), and whether the node goes."""

    output: str
    role: str
    node: str
    remove: bool
    reason: str
    values: int = 0  # of the tensor; 0 where the shape is unknown


@dataclass(frozen=True, slots=True)
class StripPlan:
    """What is removed and kept; `notes` says what was assumed."""

    decisions: tuple[StripDecision, ...]
    notes: tuple[str, ...] = ()

    @property
    def removed(self) -> tuple[str, ...]:
        """The node names for hb_model_modifier, in the model's own order."""
        return tuple(decision.node for decision in self.decisions if decision.remove)

    @property
    def values_saved(self) -> int:
        """How many values per frame the CPU no longer converts."""
        return sum(decision.values for decision in self.decisions if decision.remove)

    def arguments(self, model: str, output: str) -> tuple[str, ...]:
        """The call of hb_model_modifier that does it."""
        removals = (part for node in self.removed for part in ("-r", node))
        return ("hb_model_modifier", model, *removals, "-o", output)


def plan_strip(
    nodes: Sequence[NodeLike], spec: ModelSpec | None, *, roles: Collection[str] = STRIPPED_ROLES
) -> StripPlan:
    """Choose the Dequantize nodes of the heads with some roles.

    Args:
        nodes: The nodes of the runtime's graph, from the `.bin` or a log.
        spec: The model's sidecar; None: roles are taken from the node names, as `notes` says.
        roles: Roles of the heads whose nodes go.

    Returns:
        One decision per head.

    Raises:
        ModelError: Model and sidecar do not fit each other, or the names say nothing.
        ConfigError: A role is unknown.
    """
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        raise ConfigError(f"role {unknown[0]!r} is unknown, expected any of {', '.join(ROLES)}", hint="see --help")
    dequantize = [node for node in nodes if node.op_type == "Dequantize"]
    if spec is None:
        return _plan_by_names(dequantize, roles)
    heads = {head.name: head for head in spec.outputs}
    inner = _inner(nodes, dequantize, heads)
    dequantize = [node for node in dequantize if node.name not in inner]
    decisions = [_decision(node, _head_of(node, heads), roles) for node in dequantize]
    unconverted = _unconverted_heads(nodes, spec, {decision.output for decision in decisions})
    return StripPlan((*decisions, *unconverted))


def _inner(nodes: Sequence[NodeLike], dequantize: Sequence[NodeLike], heads: dict[str, HeadSpec]) -> set[str]:
    """The Dequantize nodes that another node of the CPU stands behind, such as the Reshape of a flat output."""
    inner = [node for node in dequantize if node.outputs and not heads.keys() & set(node.outputs)]
    behind = [n for n in nodes if n.op_type not in ("BPU", "Dequantize") and heads.keys() & set(n.outputs)]
    return {node.name for node in inner} if len(inner) == len(behind) else set()


def _decision(node: NodeLike, head: HeadSpec, roles: Collection[str]) -> StripDecision:
    remove = head.role in roles
    return StripDecision(head.name, head.role, node.name, remove, _reason(head.role, remove), math.prod(head.shape))


def _reason(role: str, remove: bool) -> str:
    return REASON_REMOVED if remove else f"stays float: {REASONS_KEPT.get(role, REASON_NOT_SELECTED)}"


def _head_of(node: NodeLike, heads: dict[str, HeadSpec]) -> HeadSpec:
    """The head that the node writes: by its output's name; by the node's own where the log gives only that."""
    named = node.outputs or (node.name.removesuffix("_HzDequantize"),)
    matches = [heads[name] for name in named if name in heads]
    if len(matches) != 1:
        raise ModelError(
            f"Dequantize node {node.name!r} writes {named[0] if named else 'nothing'!r}, which is no output of the "
            f"sidecar ({', '.join(sorted(heads))[:200]})",
            hint="give the sidecar of the ONNX that was compiled with --sidecar",
        )
    return matches[0]


def _unconverted_heads(nodes: Iterable[NodeLike], spec: ModelSpec, converted: set[str]) -> list[StripDecision]:
    """The heads without a Dequantize node: their integers come straight from the BPU, or they are not there."""
    written = {name for node in nodes for name in node.outputs}
    unconverted = [head for head in spec.outputs if head.name not in converted]
    if written:
        absent = [head.name for head in unconverted if head.name not in written]
        if absent and any(node.op_type == "BPU" for node in nodes):
            raise ModelError(
                f"the sidecar's output {absent[0]!r} is none of the model ({', '.join(sorted(written))[:200]})",
                hint="give the sidecar of the ONNX that was compiled with --sidecar",
            )
    reason = "has no Dequantize node: nothing to remove"
    return [StripDecision(head.name, head.role, "", False, reason) for head in unconverted]


def _plan_by_names(nodes: Sequence[NodeLike], roles: Collection[str]) -> StripPlan:
    extra = {"mask", "keypoint", "angle"} & set(roles)
    stripped = {*(role for role in roles if role in ("box", "class")), *(["extra"] if extra else [])}
    branches_of = [(node, BRANCH.findall(node.name)) for node in nodes]
    if {"2", "3"} - {branch for _, branches in branches_of for branch in branches} == {"2", "3"}:
        raise ModelError(
            f"no sidecar, and node names such as {nodes[0].name if nodes else 'none'!r} do not say which head is which",
            hint="give the sidecar that edgekit cut wrote for this model with --sidecar",
        )
    decisions = []
    for node, branches in branches_of:
        role = BRANCH_ROLES[branches[-1]] if branches else "other"
        remove = role in stripped
        output = node.outputs[0] if node.outputs else node.name.removesuffix("_HzDequantize")
        decisions.append(StripDecision(output, role, node.name, remove, _reason(role, remove)))
    note = "no sidecar: roles are assumed from Ultralytics' node names (cv2 box, cv3 class, cv4 extra)"
    return StripPlan(tuple(decisions), (note,))
