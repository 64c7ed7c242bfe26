"""Which class of the model is which category of the labels: by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgekit.errors import DataError

__all__ = ["ClassMap", "MergedCategories", "match_classes", "merge_categories"]


@dataclass(frozen=True, slots=True)
class ClassMap:
    """Which class of a model is which category.

    Attributes:
        category_of: Class id -> category id, for the classes that the labels have.
        names: Category id -> name.
        notes: Which classes and categories have no counterpart.
    """

    category_of: Mapping[int, int]
    names: Mapping[int, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MergedCategories:
    """Categories with every name once.

    Attributes:
        categories: (id, name).
        kept: Category id -> the id that it counts as.
        notes: Which were merged.
    """

    categories: tuple[tuple[int, str], ...]
    kept: Mapping[int, int]
    notes: tuple[str, ...] = ()


def merge_categories(categories: Sequence[tuple[int, str]]) -> MergedCategories:
    """Merge categories of equal names into the one with the lowest id: no name could tell them apart.

    Roboflow's exports have such a pair (the data set's own name as category 0), as have files merged of several.

    Args:
        categories: (id, name).

    Returns:
        The merged categories.
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
    """Match class names without regard to case; without any match but equal counts, by the order of the ids.

    Args:
        model_names: Names of the model's classes, by class id.
        categories: (id, name) of the labels.

    Returns:
        The map.

    Raises:
        DataError: If neither names nor counts match.
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
    unknown = [name for i, name in enumerate(model_names) if i not in matched]
    unmatched = [name for category, name in categories if category not in {c for c, _ in matched.values()}]
    if unknown:
        notes += (f"the labels do not have {len(unknown)} classes of the model: {_few(unknown)}",)
    if unmatched:
        notes += (f"the model does not have {len(unmatched)} categories of the labels: {_few(unmatched)}; not scored",)
    return ClassMap({i: category for i, (category, _) in matched.items()}, dict(matched.values()), notes)


def _key(name: str) -> str:
    return name.strip().lower()


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
