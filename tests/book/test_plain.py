"""Chapters are plain Markdown, which every viewer shows, and the page makes of it what it needs."""

import re
import sys

import nbformat
import pytest
from conftest import ROOT, chapter_paths
from markdown_it import MarkdownIt
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from pybtex.database import parse_file
from pybtex.richtext import Text

sys.path.insert(0, str(ROOT / "book"))
sys.path.insert(0, str(ROOT / "book" / "extensions"))
from numbering import LINK as NUMBERED
from numbering import numbered, numbers
from plain_notebooks import LINK, bare, directives, key_of_address, term_of_anchor, with_glossary, with_roles

NOTEBOOKS = sorted(path for path in (ROOT / "book").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
SYNTAX = re.compile(r"^\s*(:{3,}|:[\w-]+: |\([\w-]+\)=$|%|\{[\w:-]+\})|\{[\w:-]+\}\s*<code>|\$\$ ?\([\w-]+\)")
MOST_LINES = 3
APPENDICES = [ROOT / "book" / "appendices" / f"{name}.md" for name in ("api", "glossary", "notation", "teaching")]
APPENDICES.append(ROOT / "book" / "appendices" / "troubleshooting.md")

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
every_text = pytest.mark.parametrize("path", NOTEBOOKS + APPENDICES, ids=lambda path: path.stem)


def markdown(path):
    if path.suffix == ".md":
        return [path.read_text(encoding="utf-8")]
    cells = nbformat.read(path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "markdown"]


def lines_of_syntax(text):
    """The lines that a plain renderer shows although they are meant for a program."""
    tokens = MarkdownIt("commonmark").parse(text)
    fences = [token.info for token in tokens if token.type == "fence" and token.info.startswith("{")]
    shown = re.sub(r"<(?!code>)[^>]+>", "", MarkdownIt("commonmark").render(text))
    return fences + [line for line in shown.splitlines() if SYNTAX.search(line)]


def test_lines_of_syntax_are_found():
    box = ":::{admonition} In this chapter\n:class: tip\n- You need x.\n:::"
    assert lines_of_syntax(box) == [":::{admonition} In this chapter", ":class: tip", ":::"]
    assert len(lines_of_syntax("```{exercise} One\n:label: a\nDo it.\n```")) == 2
    shown = lines_of_syntax("See {numref}`fig-a` and\n\n$$\nx\n$$ (eq-a)")
    assert shown == ["See {numref}<code>fig-a and", "$$ (eq-a)"]
    assert not lines_of_syntax("A dict is `{a}`, a set {1}.\n\n```python\nx = {}\n```\n\n$$\n\\frac{a}{b}\n$$")


@every_text
def test_a_plain_renderer_shows_next_to_no_syntax(path):
    found = [line for text in markdown(path) for line in lines_of_syntax(text)]
    assert len(found) <= (MOST_LINES if path.suffix == ".ipynb" else 0), found


@every_text
def test_no_list_of_definitions_is_left(path):
    """A plain renderer runs a term and its ": definition" into one line."""
    assert not re.search(r"^\S.*\n: ", "\n".join(markdown(path)), flags=re.M)


def test_an_anchor_of_the_glossary_is_the_one_that_the_page_gives():
    terms = term_of_anchor()
    assert len(terms) > 50
    for anchor, term in terms.items():
        assert anchor == "term-" + re.sub(r"[^A-Za-z0-9]+", "-", term).strip("-")


@pytest.mark.parametrize("path", APPENDICES, ids=lambda path: path.stem)
def test_an_appendix_has_the_numbers_of_the_chapters(path):
    for link in NUMBERED.finditer(markdown(path)[0]):
        number = numbers(nbformat.read(path.parent / link[3], as_version=4))[link[4]]
        assert link[0] == link[1] + number + link[2], f"{link[4]} is {number}"


@every_text
def test_what_the_text_refers_to_is_there_once(path):
    text = "\n".join(markdown(path))
    anchors = re.findall(r'<a id="([\w-]+)"></a>', text)
    assert len(anchors) == len(set(anchors))
    for link in LINK.finditer(text):
        place, _, label = link["address"].partition("#")
        if re.match(r"https?:|mailto:", place):
            continue
        target = (path.parent / place).resolve() if place else path
        assert target.exists(), link[0]
        if bare(link["address"]).startswith("glossary.md#") or path.stem == "glossary" and label and not place:
            assert label in term_of_anchor(), link[0]
        elif label and target.suffix == ".ipynb":
            assert f'<a id="{label}"></a>' in "\n".join(markdown(target)), link[0]


def author_and_year(entry):
    """Names and year of a work as they are written in the text."""
    names = [
        str(Text.from_latex(" ".join([*person.prelast_names, *person.last_names])))
        for person in entry.persons["author"]
    ]
    if len(names) > 2 or names[-1] == "others":
        names = [names[0] + " et al."]
    return " and ".join(names), entry.fields["year"]


@every_text
def test_a_citation_names_the_authors_and_the_year_of_its_work(path):
    works, keys = parse_file(str(ROOT / "book" / "references.bib")).entries, key_of_address()
    assert set(keys.values()) == set(works), "two works have one address"
    for link in LINK.finditer("\n".join(markdown(path))):
        if bare(link["address"]) in keys:
            names, year = author_and_year(works[keys[bare(link["address"])]])
            assert link["text"] in (f"{names}, {year}", f"{names} ({year})"), link[0]
        else:
            assert not re.search(r"(, |\()\d{4}\)?$", link["text"]), f"references.bib has no such address: {link[0]}"


def read(*texts):
    """The cells that the page's parser gets for these texts (`None` stands for a code cell)."""
    cells = [new_code_cell("draw()") if text is None else new_markdown_cell(text) for text in texts]
    keys = {"https://arxiv.org/abs/1": "a2016", "https://doi.org/S(99)2": "b2017"}
    return directives(new_notebook(cells=cells), keys, {"term-key-strength": "key strength"}, references=False).cells


FORMS = r"""
> **In this chapter**
>
> - One.
> - Two.
=>
:::{admonition} In this chapter
:class: tip chapter-box

- One.
- Two.
:::
--
> **Which part**
>
> This.
=>
:::{admonition} Which part

This.
:::
--
> A quotation.
=>
> A quotation.
--
![A box.](b.svg)

<a id="fig-b"></a>
**Figure 1.2.** A box, [(1.1)](#eq-a).
=>
```{figure} b.svg
:name: fig-b
:alt: "A box."
A box, {eq}`eq-a`.
```
--
So

<a id="eq-a"></a>
$$
x,
y \tag{1.1}
$$

and $$z$$
=>
So

$$
x,
y
$$ (eq-a)

and $$z$$
--
<a id="ex-a"></a>
### Exercise 1.1: A, *b*

Do `x`:

```python
x
```
=>
````{exercise} A, *b*
:label: ex-a

Do `x`:

```python
x
```
````
--
<details><summary>Hint</summary>

$x$

y

</details>
=>
:::{dropdown} Hint
$x$

y
:::
--
See [Figure 2.1](02_bank.ipynb#fig-b) and [(1.1)](#eq-a), [this drawing](#fig-b).
=>
See {numref}`fig-b` and {eq}`eq-a`, {ref}`this drawing <fig-b>`.
--
It is so ([A et al., 2016](https://arxiv.org/abs/1); [B, 2017](https://doi.org/S(99)2)).
=>
It is so {cite}`a2016,b2017`.
--
[B (2017)](https://doi.org/S(99)2) says ([here](https://doi.org/S(99)2)).
=>
{cite:t}`b2017` says ([here](https://doi.org/S(99)2)).
--
([C, 2018](https://elsewhere))
=>
([C, 2018](https://elsewhere))
--
A [key strength](appendices/glossary.md#term-key-strength), [strong](glossary.md#term-key-strength).
=>
A {term}`key strength`, {term}`strong <key strength>`.
--
`[(1.1)](#eq-a)` and

```
[(1.1)](#eq-a)
```
=>
`[(1.1)](#eq-a)` and

```
[(1.1)](#eq-a)
```
--
[chapter 2](02_bank.ipynb), [terms](appendices/glossary.md)
=>
[chapter 2](02_bank.ipynb), [terms](appendices/glossary.md)
"""


@pytest.mark.parametrize(("plain", "directive"), [form.split("\n=>\n") for form in FORMS.strip().split("\n--\n")])
def test_plain_text_becomes_directives(plain, directive):
    assert [cell.source for cell in read(plain)] == [directive]


def test_an_explained_term_becomes_an_entry_of_the_glossary():
    plain = '# Words\n\n<a id="term-a-b"></a>\n**a b**: One [c](#term-c).\n\n<a id="term-c"></a>\n**c**: Two.\n'
    made = with_glossary(with_roles(plain, {}, {"term-a-b": "a b", "term-c": "c"}))
    assert made == "# Words\n\n```{glossary}\na b\n  One {term}`c`.\n\nc\n  Two.\n```\n"
    assert with_glossary("# No terms\n\n**bold**: text\n") == "# No terms\n\n**bold**: text\n"


def test_a_caption_below_a_cell_is_the_cells_own():
    code, text = read(None, '<a id="fig-a"></a>\n**Figure 1.1.** What [A (2016)](https://arxiv.org/abs/1).\n\nMore.')
    assert code.metadata["mystnb"]["figure"] == {"name": "fig-a", "caption": "What {cite:t}`a2016`."}
    assert text.source == "More."


def test_a_solution_ends_before_the_next_exercise():
    exercise = '<a id="ex-{0}"></a>\n### Exercise 1.1: {0}\n\nDo.'
    texts = [exercise.format("a"), None, "#### Solution of exercise 1.1", None, "So.", exercise.format("b")]
    sources = [cell.source for cell in read(*texts)]
    assert sources[2] == "```{solution-start} ex-a\n:class: dropdown\n```"
    assert sources[5].startswith("```{solution-end}\n```\n\n```{exercise} b\n:label: ex-b\n")
    with pytest.raises(ValueError, match="no heading follows"):
        read(*texts[:5])


def test_numbers_are_those_of_the_order():
    texts = ["# 4. Title", '<a id="fig-b"></a>\n**Figure 0.** B', '<a id="fig-a"></a>\n**Figure 4.1.** A']
    texts += ["[Figure 7.7](#fig-a) [(9.9)](#eq-b) [Figure 4.1](#fig-unknown)", '<a id="eq-a"></a>\n$$\na \\tag{1}\n$$']
    texts += ['<a id="eq-b"></a>\n$$\nb \\tag{1}\n$$']
    texts += ['<a id="ex-a"></a>\n### Exercise 0: A', "#### Solution of exercise 9"]
    found = [cell.source for cell in numbered(new_notebook(cells=list(map(new_markdown_cell, texts)))).cells]
    assert found[1:3] == ['<a id="fig-b"></a>\n**Figure 4.1.** B', '<a id="fig-a"></a>\n**Figure 4.2.** A']
    assert found[3] == "[Figure 4.2](#fig-a) [(4.2)](#eq-b) [Figure 4.1](#fig-unknown)"
    assert "b \\tag{4.2}" in found[5] and "### Exercise 4.1: A" in found[6] and found[7].endswith(" 4.1")


@pytest.mark.parametrize("path", chapter_paths(), ids=lambda path: path.stem)
def test_the_page_counts_as_the_notebook_says(path, html_root):
    page = (html_root / "book" / f"{path.stem}.html").read_text(encoding="utf-8")
    for label, number in numbers(nbformat.read(path, as_version=4)).items():
        place = page.index(f'id="equation-{label}"' if label.startswith("eq-") else f'id="{label}"')
        shown = re.search(r"(?:caption-number\">|eqno\">\(|>\()(?:Figure |Exercise )?(\d+\.\d+)", page[place:])
        assert shown and shown[1] == number, label
