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


@dataclass(frozen=True, slots=True)
class MergedCategories:
    """`categories` (id, name) with every name once; `kept[id]` is the id that a category counts as."""

    categories: tuple[tuple[int, str], ...]
    kept: Mapping[int, int]
    notes: tuple[str, ...] = ()


def merge_categories(categories: Sequence[tuple[int, str]]) -> MergedCategories:
    """Makes categories of one name one class, that of the lowest id: no name could tell them apart.

    Roboflow's exports have such a pair (the data set's own name as category 0), as have files merged of several.
    """
    groups: dict[str, list[int]] = {}
    names = dict(sorted(categories))
    for category, name in names.items():
        groups.setdefault(_key(name), []).append(category)
    notes = tuple(
        f"the categories {', '.join(map(str, ids))} are all called {names[ids[0]]!r} and count as one class"
        for ids in groups.values()
        if len(ids) > 1
    )
    kept = {category: ids[0] for ids in groups.values() for category in ids}
    return MergedCategories(tuple((ids[0], names[ids[0]]) for ids in groups.values()), kept, notes)


def match_classes(model_names: Sequence[str], categories: Sequence[tuple[int, str]]) -> ClassMap:
    """Matches names without regard to case; without any match but equal counts, the order of the ids.

    `categories`: (id, name). Raises DataError where neither fits.
    """
    by_name = {_key(name): (category, name) for category, name in reversed(categories)}
    matched = {i: by_name[_key(name)] for i, name in enumerate(model_names) if _key(name) in by_name}
    notes: tuple[str, ...] = ()
    if not matched:
        if len(model_names) != len(categories):
            raise DataError(
                f"the model's {len(model_names)} classes ({_few(model_names)}) and the labels' {len(categories)} "
                f"({_few([name for _, name in categories])}) share no name",
                hint="score on labels of the model's classes, or fix the names in the sidecar",
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


def _key(name: str) -> str:
    return name.strip().lower()


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
