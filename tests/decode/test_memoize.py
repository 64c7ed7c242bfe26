from __future__ import annotations

from edgekit.decode import memoize as once
from edgekit.decode.memoize import once_per_object


def test_called_once_for_each_object_and_argument() -> None:
    calls: list[tuple[str, int]] = []

    @once_per_object
    def noted(owner: tuple[str, ...], extra: int) -> int:
        calls.append((owner[0], extra))
        return len(calls)

    one, equal = tuple(["a"]), tuple(["a"])
    assert one is not equal
    assert [noted(one, 1), noted(one, 1), noted(one, 2), noted(equal, 1), noted(one, 1)] == [1, 1, 2, 3, 1]


def test_objects_that_are_gone_are_not_mistaken_for_new_ones() -> None:
    @once_per_object
    def first(owner: tuple[int, ...]) -> int:
        return owner[0]

    assert [first(tuple([i])) for i in range(once.LIMIT + 10)] == list(range(once.LIMIT + 10))
