"""The columns of a table, under the names that people and other programs use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

NEAR = 0.8
"""Similarity above which an unknown column is taken for a misspelt one."""


@dataclass(frozen=True)
class Columns:
    """Required and optional columns of a table; case and spaces around names are ignored.

    Parameters
    ----------
    needed : required columns.
    optional : optional columns.
    others : alternative names in lower case; if several occur, the first counts.
    """

    needed: tuple[str, ...]
    optional: tuple[str, ...] = ()
    others: Mapping[str, str] = field(default_factory=dict)

    def names(self, header: Iterable[str]) -> dict[str, str]:
        """Map the columns of a header to their names here; unknown columns are left out.

        Raises
        ------
        ValueError
            if a column occurs twice, or looks misspelt.
        """
        found: dict[str, str] = {}
        places = {name: place for place, name in enumerate(self.others)}
        known = (*self.needed, *self.optional)
        cells = {cell: cell.strip().lower() for cell in header}
        for cell, plain in sorted(cells.items(), key=lambda pair: places.get(pair[1], -1)):
            if plain in known and plain in found:
                raise ValueError(f"column {plain!r} occurs twice")
            found.setdefault(plain if plain in known else self.others.get(plain, ""), cell)
        strange = [cell for cell, plain in cells.items() if plain not in (*known, *self.others)]
        for cell in strange:
            if near := get_close_matches(cells[cell], set(known) - set(found), n=1, cutoff=NEAR):
                raise ValueError(f"unknown columns [{cell!r}]; did you mean {near[0]!r}?")
        return {cell: name for name, cell in found.items() if name}

    def lacking(self, names: Iterable[str]) -> list[str]:
        """Return the required columns that are not in `names`."""
        return [name for name in self.needed if name not in set(names)]

    def count(self, header: Iterable[str]) -> int:
        """Return the number of cells of a header that name a column."""
        known = {*self.needed, *self.optional, *self.others}
        return sum(cell.strip().lower() in known for cell in header)
