"""A table of figures with limits, printed row by row."""

import sys
from collections.abc import Iterable, Iterator, Sequence
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


@dataclass(frozen=True)
class Line:
    """The cells of a table with columns of its own; `missed` if a figure exceeds its limit."""

    cells: tuple[str, ...]
    missed: bool


def print_lines(header: Sequence[str], lines: Iterable[Line]) -> int:
    """Print a table, each line as soon as it is known; return how many missed a limit."""
    print("|", " | ".join(header), "|\n|", " | ".join("---" for _ in header), "|", flush=True)
    missed = 0
    for line in lines:
        mark = " **missed**" if line.missed else ""
        print("|", " | ".join(line.cells) + mark, "|", flush=True)
        missed += line.missed
    return missed


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
    if missed:
        sys.exit(1)
