"""A table of figures with limits, printed row by row."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tqdm import tqdm


@dataclass(frozen=True)
class Row:
    """A row of the table; `missed` if the figure exceeds its limit."""

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
    """Print every part's rows under one header; exit with 1 if a limit is missed.

    Rows are also appended to `kept`.
    """
    more = (" simpler method |", " --- |") if simpler else ("", "")
    print(f"| what | limit | figure |{more[0]}\n| --- | --- | --- |{more[1]}")
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
