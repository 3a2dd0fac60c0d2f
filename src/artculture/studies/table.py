"""The table of results for people: Markdown, and the same in the terminal."""

from collections.abc import Hashable, Iterator
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from artculture.studies.paper import word

HEADERS = (
    "Architecture",
    "Scheduler",
    "Method",
    "Validation Accuracy",
    "Top-1 Accuracy",
    "Top-3 Accuracy",
    "Weights",
)


def _percent(row: dict[Hashable, Any], name: str) -> str:
    return f"{100 * row[name]:.2f} [{100 * row[name + '_low']:.1f}, {100 * row[name + '_high']:.1f}]"


def _with_paper(row: dict[Hashable, Any], name: str) -> str:
    paper = row[f"paper_{name}"]
    return _percent(row, name) + ("" if paper is None or pd.isna(paper) else f" (paper {paper:.2f})")


def cells(row: dict[Hashable, Any]) -> list[str]:
    """A summary's row as the table's cells, in the order of `HEADERS`."""
    method = word(row["method"]) + (f" · {row['variant']}" if row["variant"] else "")
    accuracies = [_with_paper(row, name) for name in ("validation", "top1", "top3")]
    seeds = f" · {row['seeds']} seeds" if row["seeds"] > 1 else ""
    return [word(row["architecture"]), word(row["scheduler"]), method + seeds, *accuracies, row["weights"]]


def notes(summary: pd.DataFrame, others: dict[str, str]) -> Iterator[str]:
    """What a reader must know to read the numbers right."""
    if len(summary):
        yield (
            "Accuracies in percent, means over the seeds, with 95 % confidence intervals of what to expect from "
            "another seed on other paintings like these"
            + ("." if (summary["seeds"] > 2).all() else "; how much one or two seeds may be off is assumed, not seen.")
        )
        for data, part in summary.groupby("data", sort=False):
            first = part.iloc[0]
            yield (
                f"Levels to beat on {data} ({first['test_paintings']} test paintings): "
                f"chance {100 * first['chance']:.1f}, always the most frequent culture {100 * first['majority']:.1f}."
            )
    if len(summary) and summary["synthetic"].any():
        yield "**Synthetic data**: pictures drawn by the program. The numbers say nothing about paintings."
    if len(summary):
        lacking = summary[~summary["imagenet"] & (summary["method"] != "scratch")]
        if len(lacking):
            pairs = zip(lacking["architecture"], lacking["weights"], strict=True)
            kinds = "; ".join(dict.fromkeys(f"{word(name)}: {weights}" for name, weights in pairs))
            yield f"**Not known to start from ImageNet-1k alone**: {kinds}. Not comparable with the paper."
    for run, state in others.items():
        yield f"Not in the table: {run} ({state})."


def markdown(title: str, summary: pd.DataFrame, others: dict[str, str]) -> str:
    """The study's results as Markdown, with the paper's numbers beside ours."""
    lines = [f"# Results of {title}", ""]
    if len(summary):
        lines += ["| " + " | ".join(HEADERS) + " |", "|" + "---|" * len(HEADERS)]
        lines += ["| " + " | ".join(cells(row)) + " |" for row in summary.to_dict("records")]
        lines.append("")
    lines += [f"- {note}" for note in notes(summary, others)]
    return "\n".join(lines) + "\n"


def print_table(console: Console, title: str, summary: pd.DataFrame, others: dict[str, str]) -> None:
    """The same for the terminal: accuracy and interval on two lines, the paper's number on a third."""
    table = Table(title=title, title_style="bold", header_style="bold", show_lines=True, expand=False)
    for header in HEADERS:
        table.add_column(header, overflow="fold")
    for row in summary.to_dict("records"):
        shown = [cell.replace(" [", "\n[").replace(" (paper", "\n(paper") for cell in cells(row)]
        table.add_row(*(cell.replace("[", "\\[") for cell in shown[:6]), shown[6].replace(" (", "\n("))
    if len(summary):
        console.print(table)
    for note in notes(summary, others):
        console.print("  " + note.replace("**", ""), highlight=False, markup=False)
