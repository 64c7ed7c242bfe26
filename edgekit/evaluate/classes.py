"""Which class of the model is which category of the labels: by name, never by luck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgekit.errors import DataError


@dataclass(frozen=True, slots=True)
class ClassMap:
    """`category_of[class id]` for the classes that the labels have; `notes` says who was left out."""

    category_of: Mapping[int, int]
    names: Mapping[int, str]
    notes: tuple[str, ...] = ()


def match_classes(model_names: Sequence[str], categories: Sequence[tuple[int, str]]) -> ClassMap:
    """Matches names without regard to case; without any match but equal counts, the order of the ids.

    `categories`: (id, name). Raises DataError where neither fits.
    """
    by_name = {name.strip().lower(): (category, name) for category, name in categories}
    matched = {i: by_name[name.lower()] for i, name in enumerate(model_names) if name.lower() in by_name}
    notes: tuple[str, ...] = ()
    if not matched:
        if len(model_names) != len(categories):
            raise DataError(
                f"the model's {len(model_names)} classes ({_few(model_names)}) and the labels' {len(categories)} "
                f"({_few([name for _, name in categories])}) share no name",
                hint="score on labels of the model's classes, or mend the names in the sidecar",
            )
        matched = dict(enumerate(sorted(categories)))
        notes = ("no class name of the model is among the labels'; classes are matched by their order",)
    strangers = [name for i, name in enumerate(model_names) if i not in matched]
    unseen = [name for category, name in categories if category not in {c for c, _ in matched.values()}]
    if strangers:
        notes += (f"the labels do not have {len(strangers)} classes of the model: {_few(strangers)}",)
    if unseen:
        notes += (f"the model does not have {len(unseen)} categories of the labels: {_few(unseen)}; not scored",)
    return ClassMap({i: category for i, (category, _) in matched.items()}, dict(matched.values()), notes)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
