"""The table of results in LaTeX, with the rules of booktabs."""

import re
from collections.abc import Hashable, Sequence
from typing import Any

import pandas as pd

from artculture.studies.comparison import BEST, BETTER, NOT_COMPARED, NOT_WORSE, TESTED, best_rows
from artculture.studies.disjoint_rows import HEADERS as DISJOINT_HEADERS
from artculture.studies.disjoint_rows import DisjointRow, disjoint_note, disjoint_rows, disjoint_title
from artculture.studies.paper import word
from artculture.studies.table import notes, p_value, points, repeats
from artculture.utils.visible_text import visible

SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "`": r"\textasciigrave{}",
    "·": r"\textperiodcentered{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    # After the \\ of the row above, these would be its options.
    **{character: f"{{{character}}}" for character in "[]*"},
}
PATTERN = re.compile("-(?=-)|" + "|".join(map(re.escape, SPECIAL)))
HEADERS = (
    "Architecture",
    "Scheduler",
    "Method",
    "Validation",
    "Top-1",
    "Top-3",
    "Macro recall",
    "Top-1",
    "$p$",
    "Macro recall",
)
MARKED = (NOT_WORSE, BETTER)


def latex_text(text: object) -> str:
    """Return LaTeX that typesets the text as it is."""
    line = visible(" ".join(str(text).split()))
    return PATTERN.sub(lambda found: SPECIAL.get(found[0], "-{}"), line)  # two hyphens would be a dash


def latex(title: str, summary: pd.DataFrame, others: dict[str, str]) -> str:
    """Return the results of a study as a `table*` environment that needs the package booktabs."""
    best = set(best_rows(summary)) if len(summary) else set()
    records = enumerate(summary.to_dict("records"))
    rows = [" & ".join(_cells(row, bold=i in best or row["standing"] in MARKED)) + r" \\" for i, row in records]
    caption = [f"Results of {title}.", *notes(summary, others)]
    if len(summary):
        caption.append("Bold: best by validation accuracy, and rows that are not significantly worse.")
        pairs = zip(summary["architecture"], summary["weights"], strict=True)
        caption.append(f"Weights: {'; '.join(dict.fromkeys(f'{word(name)}: {kind}' for name, kind in pairs))}.")
    if (summary.get("standing", pd.Series(dtype=str)) == NOT_COMPARED).any():
        caption.append("n/c: not compared.")
    header = [
        r" & & & \multicolumn{3}{c}{Accuracy, \%} & & \multicolumn{3}{c}{Difference from the best, points} \\",
        r"\cmidrule(lr){4-6} \cmidrule(lr){8-10}",
        " & ".join(HEADERS) + r" \\",
    ]
    lines = _environment(title, " ".join(part.replace("**", "") for part in caption), "lllrrrrrrr", header, rows)
    lines += _disjoint_lines(title, disjoint_rows(summary))
    return "\n".join(["% Needs \\usepackage{booktabs}", *lines]) + "\n"


def _environment(label: str, caption: str, columns: str, header: Sequence[str], rows: Sequence[str]) -> list[str]:
    return [
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{latex_text(caption)}}}",
        rf"\label{{tab:{re.sub('[^A-Za-z0-9:-]+', '-', label)}}}",
        r"\small",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        *header,
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table*}",
    ]


def _disjoint_lines(title: str, rows: Sequence[DisjointRow]) -> list[str]:
    """Return the table of the rows with and without a shared artist, if there are such rows."""
    if not rows:
        return []
    lines = [" & ".join([*map(latex_text, row.cells[:3]), *map(_signed, row.cells[3:])]) + r" \\" for row in rows]
    header = " & ".join(map(latex_text, DISJOINT_HEADERS)) + r" \\"
    caption = f"{disjoint_title(rows)}. Accuracies in percent. {disjoint_note(rows)}"
    return ["", *_environment(f"{title}-disjoint", caption, "lllrrr", [header], lines)]


def _cells(row: dict[Hashable, Any], *, bold: bool) -> list[str]:
    method = " · ".join(filter(None, [word(row["method"]), row["variant"]])) + repeats(row)
    names = [latex_text(cell) for cell in (word(row["architecture"]), word(row["scheduler"]), method)]
    accuracies = [_accuracy(row, name) for name in ("validation", "top1", "top3", "macro_recall")]
    if bold:
        names[0], accuracies[1] = rf"\textbf{{{names[0]}}}", rf"\textbf{{{accuracies[1]}}}"
    if row["standing"] not in TESTED:
        return [*names, *accuracies, {BEST: "best", NOT_COMPARED: "n/c"}.get(row["standing"], ""), "", ""]
    p = p_value(row["p_holm"]).removeprefix("p ").removeprefix("= ")
    return [*names, *accuracies, _signed(points(row, "top1")), f"${p}$", _signed(points(row, "macro_recall"))]


def _accuracy(row: dict[Hashable, Any], name: str) -> str:
    return f"{100 * row[name]:.2f} {{[{100 * row[f'{name}_low']:.1f}, {100 * row[f'{name}_high']:.1f}]}}"


def _signed(numbers: str) -> str:
    """Return numbers with plus and minus signs as LaTeX sets them; braces keep a bracket from being an option."""
    return "{" + re.sub(r"[+-]", r"$\g<0>$", numbers) + "}"
