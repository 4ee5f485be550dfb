"""A table whose rows have bars: printed as it comes, and whether a bar was missed."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tqdm import tqdm


@dataclass(frozen=True)
class Row:
    """A line of the table; `short` where the figure misses its bar."""

    what: str
    limit: str
    figure: str
    missed: bool
    simpler: str = ""


def print_table(
    parts: Iterable[Iterator[Row]],
    total: int,
    doing: str,
    *,
    simpler: bool = False,
    kept: list[Row] | None = None,
) -> None:
    """Print every part's rows under one head; end the program with 1 where a bar is missed.

    Rows are put into `kept` too, as they come.
    """
    more = (" a plainer way |", " --- |") if simpler else ("", "")
    print(f"| what | bar | figure |{more[0]}\n| --- | --- | --- |{more[1]}")
    missed = 0
    with tqdm(total=total, desc=doing, unit="part") as progress:
        for part in parts:
            for row in part:
                if kept is not None:
                    kept.append(row)
                mark = " **missed**" if row.missed else ""
                last = f" {row.simpler} |" if simpler else ""
                tqdm.write(f"| {row.what} | {row.limit} | {row.figure}{mark} |{last}")
                missed += row.missed
            progress.update()
    sys.exit(1 if missed else 0)
