"""Selection of links in a sparse bipartite graph: unambiguous links, or the assignment of maximum total gain."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching

from vcma.linking import blocks


def assign(left: np.ndarray, right: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Return the indices of the matching with maximum total gain: no two links share a node.

    Link k connects nodes left[k] >= 0 and right[k] >= 0 with gain[k] > 0; no pair occurs twice. The connected
    components of the graph are small and are solved separately, which is exact and linear in the video's length.
    """
    if not len(left):
        return np.zeros(0, int)
    lefts = int(left.max()) + 1
    nodes = lefts + int(right.max()) + 1
    graph = csr_matrix((np.ones(len(left), np.int8), (left, lefts + right)), shape=(nodes, nodes))
    part = connected_components(graph, directed=False)[1]
    row, column = _index_in_part(left, part[left]), _index_in_part(right, part[lefts + right])
    order = np.argsort(part[left], kind="stable")
    first = np.flatnonzero(np.diff(part[left][order], prepend=-1))
    count = np.diff(first, append=len(order))
    chosen = [order[first[count == 1]]]
    for begin, size in zip(first[count > 1].tolist(), count[count > 1].tolist(), strict=True):
        links = order[begin : begin + size]
        chosen.append(links[_assign_part(row[links], column[links], gain[links])])
    return np.concatenate(chosen)


def unambiguous_links(left: np.ndarray, right: np.ndarray, gain: np.ndarray, margin: float) -> np.ndarray:
    """Return the indices of unambiguous links: their gain exceeds that of all competing links by more than margin.

    Links compete if they share a node, so no two of the returned links do. Other arguments as in `assign`.
    """
    rival = np.maximum(_best_rival(left, gain), _best_rival(right, gain))
    return np.flatnonzero(gain > rival + margin)


def _best_rival(node: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Maximum gain [e] of the other links of each link's node; 0 if there are none."""
    order = np.lexsort((-gain, node))
    best = np.diff(node[order], prepend=-1) != 0
    first = order[best]
    second = np.append(gain[order][1:], 0) * np.append(~best[1:], False)
    rival = gain[first][np.cumsum(best) - 1]
    rival[best] = second[best]
    found = np.empty_like(gain)
    found[order] = rival
    return found


def _index_in_part(node: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Index [e] of each link's node among the nodes of its connected component, from 0."""
    order = np.lexsort((node, part))
    rank = np.cumsum(np.diff(node[order], prepend=-1) != 0)
    begin = np.diff(part[order], prepend=-1) != 0
    index = np.empty(len(node), np.int64)
    index[order] = rank - np.maximum.accumulate(np.where(begin, rank, 0))
    return index


def _assign_part(row: np.ndarray, column: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """`assign` for one connected component, with nodes numbered from 0 on either side."""
    rows, columns = int(row.max()) + 1, int(column.max()) + 1
    if rows == 1 or columns == 1:
        return np.array([gain.argmax()])
    if rows * columns > blocks.MAX_DENSE_ELEMENTS:
        return _assign_sparse(row, column, gain, rows, columns)
    total, link_of = np.zeros((rows, columns)), np.full((rows, columns), -1)
    total[row, column], link_of[row, column] = gain, np.arange(len(gain))
    best = link_of[linear_sum_assignment(total, maximize=True)]
    return best[best >= 0]


def _assign_sparse(row: np.ndarray, column: np.ndarray, gain: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """`_assign_part` without a dense matrix, as a minimum-cost full matching.

    A link costs 2 minus its gain, scaled to a maximum of 1. Every node has a dummy node with which it can be
    matched at cost 1, and the dummy nodes of two linked nodes can be matched with each other at almost no cost.
    """
    node = np.arange(rows + columns)
    cost = np.concatenate([2 - gain / gain.max(), np.ones(rows + columns), np.full(len(gain), 1e-9)])
    left = np.concatenate([row, node, rows + column])
    right = np.concatenate([column, np.roll(node, -columns), columns + row])
    size = rows + columns
    matched = min_weight_full_bipartite_matching(csr_matrix((cost, (left, right)), shape=(size, size)))[1]
    return np.flatnonzero(matched[row] == column)
