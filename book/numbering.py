"""The numbers that a chapter's own text shows: Figure 6.3, (6.4), Exercise 6.1, for readers of the notebook.

The chapter's number comes first, then what stands there in the order of the notebook. The built page counts by itself;
a test compares the two.
"""

import re
from pathlib import Path

import nbformat

HERE = Path(__file__).resolve().parent
COUNTED = {
    "fig": re.compile(r'(<a id="(fig-[\w-]+)"></a>\n\*\*Figure )[\d.]+(\.\*\* )'),
    "eq": re.compile(r'(<a id="(eq-[\w-]+)"></a>\n\$\$\n(?:(?!\$\$).)*?\\tag\{)[\d.]+(\})', flags=re.S),
    "ex": re.compile(r'(<a id="(ex-[\w-]+)"></a>\n### Exercise )[\d.]+(: )'),
}
LINK = re.compile(r"(\[(?:Figure |Exercise |\())[\d.]+(\)?\]\((?:([\w./]+\.ipynb))?#((?:fig|eq|ex)-[\w-]+)\))")
SOLUTION = re.compile(r"^(#### Solution of exercise )[\d.]+$", flags=re.M)


def texts(notebook):
    """Yield each Markdown cell of a notebook."""
    yield from (cell for cell in notebook.cells if cell.cell_type == "markdown")


def numbers(notebook):
    """Return the number of each label of a chapter: {"fig-ch6-strip": "6.3"}; none where the title has no number."""
    title = re.search(r"^# (\d+)\. ", notebook.cells[0].source if notebook.cells else "", flags=re.M)
    found = {}
    for pattern in COUNTED.values() if title else ():
        labels = [match[2] for cell in texts(notebook) for match in pattern.finditer(cell.source)]
        found |= {label: f"{title[1]}.{place}" for place, label in enumerate(labels, start=1)}
    return found


def numbered(notebook):
    """Write the right numbers into captions, equations, headings and links; return the notebook."""
    own, others, exercise = numbers(notebook), {}, ""

    def number_of(file, label):
        if file and label not in own:
            path = HERE / Path(file).name
            if file not in others and path.exists():
                others[file] = numbers(nbformat.read(path, as_version=4))
            return others.get(file, {}).get(label)
        return own.get(label)

    def linked(match):
        number = number_of(match[3], match[4])
        return match[1] + number + match[2] if number else match[0]

    for cell in texts(notebook):
        for pattern in COUNTED.values():
            cell.source = pattern.sub(lambda match: match[1] + own.get(match[2], "?") + match[3], cell.source)
        cell.source = LINK.sub(linked, cell.source)
        cell.source = SOLUTION.sub(rf"\g<1>{exercise}", cell.source)
        labels = [match[2] for match in COUNTED["ex"].finditer(cell.source)]
        exercise = own.get(labels[-1], "") if labels else exercise
    return notebook
