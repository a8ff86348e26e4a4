"""Sphinx extension: chapters are written in plain Markdown, which every viewer shows; here it becomes directives.

Before a notebook or an appendix is parsed, its Markdown is read as follows (the whole form stands in CONTRIBUTING.md):

    <a id="eq-ch6-plan"></a>       a label for the equation, the caption or the heading in the next line
    > **In this chapter** ...      a block quote that begins with a bold line: an admonition
    **Figure 6.3.** ...            the caption of the drawing or of the code cell above
    [Figure 6.3](#fig-ch6-strip)   a reference; so [(6.4)](#eq-ch6-plan) and [cue](appendices/glossary.md#term-cue)
    [Finn et al. (2017)](https:)   a citation, where references.bib has this address; ([Finn et al., 2017](https:))
    ### Exercise 6.1: ...          an exercise, to the end of its cell
    <details><summary>Hint...      a dropdown
    #### Solution of exercise 6.1  a solution, up to the next heading of a higher level
    **cue**: ...                   below an anchor, in an appendix: a term and what it means

The numbers in the source are for readers of the notebook (`book/execute.py` keeps them right); the page counts itself.
"""

import re
from pathlib import Path

import nbformat

BOOK = Path(__file__).resolve().parents[1]
ANCHOR = r'<a id="(?P<label>[\w-]+)"></a>\n'
BOX = re.compile(r"^> \*\*(?P<title>[^*\n]+)\*\*\n>\n(?P<body>(?:>.*(?:\n|\Z))+)", flags=re.M)
CAPTION = re.compile(ANCHOR + r"\*\*Figure [\d.]+\.\*\* (?P<caption>.+)")
DRAWING = re.compile(r"!\[(?P<alt>[^\n]*)\]\((?P<file>[^)\n]+)\)\n\n" + CAPTION.pattern)
EQUATION = re.compile(ANCHOR + r"\$\$\n(?P<body>.*?)\s*\\tag\{[\d.]+\}\s*\n\$\$", flags=re.S)
EXERCISE = re.compile(
    ANCHOR + r"### Exercise [\d.]+: (?P<title>[^\n]+)\n+(?P<body>.*?)\s*(?=\Z|^#{2,4} )", flags=re.M | re.S
)
DETAILS = re.compile(r"<details><summary>(?P<title>[^\n]*?)</summary>\n\n(?P<body>.*?)\n\n</details>", flags=re.S)
TERM = re.compile(ANCHOR + r"\*\*(?P<term>[^*\n]+)\*\*: (?P<text>[^\n]+)\n*")
SOLUTION = re.compile(r"^#### Solution of exercise [\d.]+$", flags=re.M)
HEADING = re.compile(rf"(?:{ANCHOR})?^#{{1,3}} ", flags=re.M)
CODE = re.compile(r"(^(`{3,})[^`].*?^\2|(?<!`)(`+)(?!`).+?(?<!`)\3(?!`))", flags=re.M | re.S)
ADDRESS = r"(?:[^()\s]|\([^()\s]*\))+"
LINK = re.compile(rf"\[(?P<text>(?:[^][]|\[[^][]*\])+)\]\((?P<address>{ADDRESS})\)")
WORK = rf"\[[^][]+, \d{{4}}\]\({ADDRESS}\)"
CITED = re.compile(rf"\((?P<works>{WORK}(?:; {WORK})*)\)")
CLASSES = {"In this chapter": "tip chapter-box", "Rule": "important"}


def key_of_address():
    """Return a map from the address of each work in references.bib to the work's key."""
    keys = {}
    entries = re.split(r"^@\w+\{", (BOOK / "references.bib").read_text(encoding="utf-8"), flags=re.M)[1:]
    for entry in entries:
        key = entry.split(",")[0].strip()
        fields = dict(re.findall(r"\b(url|doi|eprint) ?= ?\{([^}]+)\}", entry))
        keys[address_of(key, fields)] = key
    return keys


def address_of(key, fields):
    """Return the address under which a work is cited: its url, its doi, its preprint, or its entry in our list."""
    if "url" in fields:
        return fields["url"]
    if "doi" in fields:
        return "https://doi.org/" + fields["doi"]
    if "eprint" in fields:
        return "https://arxiv.org/abs/" + fields["eprint"]
    return f"bibliography.md#{key}"


def term_of_anchor():
    """Return a map from the anchor of each term of the glossary to the term."""
    glossary = (BOOK / "appendices" / "glossary.md").read_text(encoding="utf-8")
    return {match["label"]: match["term"] for match in TERM.finditer(glossary)}


def with_roles(text, keys, terms):
    """Return Markdown with its references, citations and terms as roles; code is left alone."""
    pieces, place = [], 0
    for code in CODE.finditer(text):
        pieces += [_roles(text[place : code.start()], keys, terms), code.group(0)]
        place = code.end()
    return "".join([*pieces, _roles(text[place:], keys, terms)])


def _roles(text, keys, terms):
    def cited(match):
        works = [keys.get(bare(link["address"])) for link in LINK.finditer(match["works"])]
        return match[0] if None in works else "{cite}`" + ",".join(works) + "`"

    def linked(match):
        shown, address = match["text"], bare(match["address"])
        place, _, label = address.partition("#")
        if address in keys and re.search(r" \(\d{4}\)$", shown):
            return "{cite:t}`" + keys[address] + "`"
        if place in ("", "glossary.md") and label in terms:
            term = terms[label]
            return "{term}`" + (term if shown == term else f"{shown} <{term}>") + "`"
        kind = label.split("-")[0] if place == "" or place.endswith(".ipynb") else ""
        if kind == "eq":
            return f"{{eq}}`{label}`"
        if kind in ("fig", "ex"):
            counted = re.fullmatch(r"(Figure|Exercise) [\d.]+", shown)
            return f"{{numref}}`{label}`" if counted else f"{{ref}}`{shown} <{label}>`"
        return match[0]

    return LINK.sub(linked, CITED.sub(cited, text))


def bare(address):
    """Return an address without the folders that lead to an appendix."""
    return re.sub(r"^(\.\./)?(appendices/)?(?=\w+\.md\b)", "", address)


def with_directives(text):
    """Return Markdown with boxes, drawings, equations, exercises and folded blocks as directives."""

    def box(match):
        name = next((name for name in CLASSES if match["title"].startswith(name)), "")
        body = re.sub(r"^> ?", "", match["body"], flags=re.M).strip()
        options = f":class: {CLASSES[name]}\n" if name else ""
        return f":::{{admonition}} {match['title']}\n{options}\n{body}\n:::\n"

    def drawing(match):
        alt = match["alt"].replace('"', "'")
        return f"```{{figure}} {match['file']}\n:name: {match['label']}\n:alt: \"{alt}\"\n{match['caption']}\n```"

    def exercise(match):
        fence = "`" * max(3, 1 + max(map(len, re.findall(r"`{3,}", match["body"])), default=0))
        return f"{fence}{{exercise}} {match['title']}\n:label: {match['label']}\n\n{match['body']}\n{fence}\n\n"

    text = BOX.sub(box, text)
    text = DRAWING.sub(drawing, text)
    text = EQUATION.sub(lambda match: f"$$\n{match['body']}\n$$ ({match['label']})", text)
    text = DETAILS.sub(lambda match: f":::{{dropdown}} {match['title']}\n{match['body']}\n:::", text)
    return EXERCISE.sub(exercise, text).strip()


def is_bar(output):
    """Return whether a cell's output is a bar that `neuralmem.teaching.progress` showed."""
    return output.get("metadata", {}).get("neuralmem") == "bar"


def with_glossary(text):
    """Return the Markdown of an appendix with the terms that it explains, if any, as a glossary."""
    entries = [f"{match['term']}\n  {match['text']}" for match in TERM.finditer(text)]
    listed = "```{glossary}\n" + "\n\n".join(entries) + "\n```\n"
    return TERM.sub("", text).rstrip() + "\n\n" + listed if entries else text


def captioned(notebook):
    """Give each caption that stands below a code cell to that cell; return the notebook."""
    kept = []
    for cell in notebook.cells:
        match = CAPTION.match(cell.source) if cell.cell_type == "markdown" else None
        if match and kept and kept[-1].cell_type == "code":
            shown = kept[-1].metadata.setdefault("mystnb", {})
            shown["figure"] = {"name": match["label"], "caption": match["caption"]}
            cell.source = cell.source[match.end() :].strip()
        if cell.source or cell.cell_type == "code":
            kept.append(cell)
    notebook.cells = kept
    return notebook


def gated(notebook):
    """Put marks around each solution, from its heading to the next of a higher level; return the notebook."""
    label, inside = "", False
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        closing = HEADING.search(cell.source) if inside else None
        if closing:
            before, after = cell.source[: closing.start()], cell.source[closing.start() :]
            cell.source, inside = f"{before}\n\n```{{solution-end}}\n```\n\n{after}".strip(), False
        for match in EXERCISE.finditer(cell.source):
            label = match["label"]
        if SOLUTION.search(cell.source):
            mark = f"```{{solution-start}} {label}\n:class: dropdown\n```"
            cell.source, inside = SOLUTION.sub(lambda _, mark=mark: mark, cell.source), True
    if inside:
        raise ValueError("a solution reaches the end of the notebook: no heading follows it")
    return notebook


def directives(notebook, keys, terms, references=True):
    """Return the notebook with its plain Markdown as directives and roles, and with a list of what it cites."""
    notebook = gated(captioned(notebook))
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = with_directives(with_roles(cell.source, keys, terms))
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if figure.get("caption"):
            figure["caption"] = with_roles(figure["caption"], keys, terms)
        if cell.cell_type == "code":  # a notebook that a reader ran and saved may hold bars
            cell.outputs = [output for output in cell.outputs if not is_bar(output)]
        for output in cell.get("outputs", []):
            if "text/markdown" in output.get("data", {}):
                output["data"]["text/markdown"] = with_roles(output["data"]["text/markdown"], keys, terms)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    if references and "{cite" in text and "{bibliography}" not in text:
        listed = nbformat.v4.new_markdown_cell("```{bibliography}\n:filter: docname in docnames\n```")
        notebook.cells.append(listed)
    return notebook


def read(app, docname, source):
    """Turn the text of a notebook, or of an appendix in Markdown, into the one that is parsed."""
    if docname.startswith("book/appendices/") and str(app.env.doc2path(docname)).endswith(".md"):
        source[0] = with_glossary(with_roles(source[0], key_of_address(), term_of_anchor()))
    if str(app.env.doc2path(docname)).endswith(".ipynb"):
        notebook = nbformat.reads(source[0], as_version=4)
        chapter = bool(re.fullmatch(r"book/\d\d_\w+", docname))
        source[0] = nbformat.writes(directives(notebook, key_of_address(), term_of_anchor(), references=chapter))


def setup(app):
    app.connect("source-read", read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
