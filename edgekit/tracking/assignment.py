"""Exact linear assignment by shortest augmenting paths (Jonker-Volgenant), in numpy alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["linear_assignment", "match"]

Costs = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
MARGIN = 1e-4  # what a pair of exactly the highest cost is still worth, as in ByteTrack's implementations


def match(costs: npt.NDArray[np.floating], *, max_cost: float) -> tuple[Indices, Indices]:
    """Pair rows with columns so that the pairs together save the most against `max_cost`.

    Args:
        costs: (n, m) finite costs.
        max_cost: No pair costs more. A pair saves `max_cost + MARGIN - cost`.

    Returns:
        The rows (k,) in rising order and the column (k,) of each; a row or column is in one pair at most.
    """
    allowed = costs <= max_cost
    per_row, per_column = allowed.sum(axis=1), allowed.sum(axis=0)
    rows, columns = np.nonzero(allowed)
    alone = (per_row[rows] == 1) & (per_column[columns] == 1)  # candidates for each other only: no choice to make
    chosen_rows, chosen_columns = [rows[alone]], [columns[alone]]
    rest_rows, rest_columns = np.unique(rows[~alone]), np.unique(columns[~alone])
    if len(rest_rows):
        part = np.ix_(rest_rows, rest_columns)
        capped = np.where(allowed[part], costs[part], max_cost + MARGIN).astype(np.float64)
        i, j = linear_assignment(capped)
        paired = allowed[part][i, j]
        chosen_rows.append(rest_rows[i[paired]])
        chosen_columns.append(rest_columns[j[paired]])
    paired_rows, paired_columns = np.concatenate(chosen_rows), np.concatenate(chosen_columns)
    order = np.argsort(paired_rows)
    return paired_rows[order].astype(np.intp), paired_columns[order].astype(np.intp)


def linear_assignment(costs: Costs) -> tuple[Indices, Indices]:
    """Find the min(n, m) pairs of least total cost.

    Args:
        costs: (n, m) float64, finite.

    Returns:
        The rows (k,) in rising order and the column (k,) of each.

    The algorithm is the shortest augmenting path in the form of D. Crouse, "On implementing 2D rectangular
    assignment algorithms" (2016), which is exact; k rows take at most k * k passes over a row.
    """
    if costs.shape[0] > costs.shape[1]:
        columns, rows = linear_assignment(np.ascontiguousarray(costs.T))
        order = np.argsort(rows)
        return rows[order], columns[order]
    count, width = costs.shape
    if not count:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    row_of, column_of = _first_come(costs)
    row_duals, column_duals = costs.min(axis=1), np.zeros(width)
    for row in np.flatnonzero(column_of < 0).tolist():
        came_from, sink = _shortest_path(costs, row, row_of, column_of, row_duals, column_duals)
        while True:  # turn the path over: each of its rows takes the column that leads on
            previous = came_from[sink]
            row_of[sink] = previous
            column_of[previous], sink = sink, column_of[previous]
            if previous == row:
                break
    return np.arange(count, dtype=np.intp), column_of


def _first_come(costs: Costs) -> tuple[Indices, Indices]:
    """Give each row its cheapest column where no row before it took it: optimal for those rows alone.

    Returns:
        The row of each column (m,) and the column of each row (n,), -1 for none.
    """
    row_of, column_of = np.full(costs.shape[1], -1, np.intp), np.full(costs.shape[0], -1, np.intp)
    columns, rows = np.unique(costs.argmin(axis=1), return_index=True)
    row_of[columns], column_of[rows] = rows, columns
    return row_of, column_of


def _shortest_path(
    costs: Costs, start: int, row_of: Indices, column_of: Indices, row_duals: Costs, column_duals: Costs
) -> tuple[Indices, int]:
    """Find the cheapest path from row `start` to a free column; the duals are updated in place.

    Returns:
        The row from which each column was reached (m,), and the free column.
    """
    width = costs.shape[1]
    lengths, came_from = np.full(width, np.inf), np.full(width, -1, np.intp)
    waiting, reached = np.ones(width, np.bool_), [start]
    row, length = start, 0.0
    while True:
        offers = costs[row] - column_duals + (length - row_duals[row])
        better = waiting & (offers < lengths)
        lengths[better] = offers[better]
        came_from[better] = row
        column = int(np.where(waiting, lengths, np.inf).argmin())
        length = float(lengths[column])
        waiting[column] = False
        if row_of[column] < 0:
            break
        row = int(row_of[column])
        reached.append(row)
    others = np.asarray(reached[1:], np.intp)
    row_duals[start] += length
    row_duals[others] += length - lengths[column_of[others]]
    column_duals[~waiting] -= length - lengths[~waiting]
    return came_from, column
