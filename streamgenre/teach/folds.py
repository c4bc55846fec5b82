"""Folds in which no recording, no copy of one and no artist is on two sides."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

N_FOLDS: Final = 3


def make_folds(
    genres: Sequence[str], groups: Sequence[str], *, n_folds: int = N_FOLDS
) -> list[int]:
    """Assign clips to folds so that no group (artist) is in two of them.

    The largest groups go first, each into the fold that has the fewest clips of its genres so far.
    Deterministic: the same clips give the same folds.

    Parameters
    ----------
    genres, groups
        One entry per clip.
    n_folds
        Number of folds, at least 2.

    Returns
    -------
    The fold of each clip, 1 to ``n_folds``.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    load: list[Counter[str]] = [Counter() for _ in range(n_folds)]
    folds = [0] * len(groups)
    for _, indices in sorted(members.items(), key=lambda item: (-len(item[1]), item[0])):
        of_genre = Counter(genres[i] for i in indices)

        def cost(fold: int, of_genre: Counter[str] = of_genre) -> tuple[int, int, int]:
            return (sum(load[fold][g] for g in of_genre), load[fold].total(), fold)

        best = min(range(n_folds), key=cost)
        load[best].update(of_genre)
        for i in indices:
            folds[i] = best + 1
    return folds


def joined_groups(keys: Sequence[Iterable[str]]) -> list[int]:
    """Return a group number for each item; items that share a key, also through others, share it.

    Parameters
    ----------
    keys
        The keys of each item, such as its artists and the recording that it is a copy of.

    Returns
    -------
    list of int
        A group for each item, from 0 on, in the order of their first items.
    """
    parent = list(range(len(keys)))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    first: dict[str, int] = {}
    for item, names in enumerate(keys):
        for name in names:
            one, other = root(item), root(first.setdefault(name, item))
            parent[max(one, other)] = min(one, other)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(root(item), len(numbers)) for item in range(len(keys))]
