"""Every page in a browser, light from a file and dark from a server: what no reader should meet is looked for.

A page is opened once a scheme and looked at through several windows, for opening it is what costs. Both visits count
requests, complaints, blurred pictures and what axe finds; the light one looks at print and at narrow phones, the dark
one at wider phones and at letters of twice the size.
"""

import functools
import http.server
import re
import threading
from pathlib import Path

import pytest
from conftest import toc_entries

axe = pytest.importorskip("axe_playwright_python")
AXE = (Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
PAGES = [*toc_entries(), "genindex", "py-modindex", "search"]
THEMES_OWN = {
    # rule of axe: (what the finding must be about, why it is not ours)
    "definition-list": (r"^<dl>", "Sphinx writes a long signature as such a list"),
}
"""Findings of axe in what Sphinx and its theme write and we cannot change from a style sheet."""

FIRST_PAINT = """new MutationObserver(() => {
  if (document.body && window.firstTheme === undefined) window.firstTheme = document.documentElement.dataset.theme;
}).observe(document, {childList: true, subtree: true})"""
MATHS = "() => !window.MathJax || (MathJax.startup && MathJax.startup.promise.then(() => true))"
CUT = """() => [...document.querySelectorAll(
  '.bd-article pre, .bd-article .cell_output .output, .bd-article mjx-container[display], .bd-article table')]
  .filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1)
  .map(e => `${e.tagName} ${e.className}, ${e.scrollWidth - e.clientWidth} px: ${e.textContent.trim().slice(0, 50)}`)"""
BROKEN = """() => [...document.querySelectorAll('.bd-article th')].filter(e => {
    const words = e.textContent.trim().split(/[-\\s_]+/), style = getComputedStyle(e)
    const room = e.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)
    const ruler = document.createElement('span')
    ruler.style.cssText = `position: absolute; white-space: nowrap; font: ${style.font}`
    document.body.append(ruler)
    const widest = Math.max(...words.map(word => { ruler.textContent = word; return ruler.offsetWidth }))
    ruler.remove()
    return e.checkVisibility() && !e.querySelector('mjx-container, code') && room < widest - 1
  }).map(e => e.textContent.trim().slice(0, 30))"""
SIDEWAYS = """() => {
  const root = document.scrollingElement, width = document.documentElement.clientWidth
  if (root.scrollWidth <= width) return []
  const wide = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > width + 1)
  const boxed = e => e && (/auto|scroll|hidden/.test(getComputedStyle(e).overflowX) || boxed(e.parentElement))
  return [`${root.scrollWidth} px`, ...wide.filter(e => !boxed(e.parentElement)).slice(0, 4)
    .map(e => `${e.tagName}.${e.className}: ${e.textContent.slice(0, 40)}`)]
}"""
BLURRED = """async () => {
  const all = [...document.querySelectorAll('.bd-article img')]
  const images = all.filter(e => !/[.]svg$|(minus|plus)[.]png$/.test(e.src) && e.checkVisibility())
  await Promise.all(images.map(e => { e.loading = 'eager'; return e.decode().catch(() => 0) }))
  return images.filter(e => e.naturalWidth < 1.9 * e.clientWidth)
    .map(e => `${(e.naturalWidth / e.clientWidth).toFixed(2)} px: ${e.alt.slice(0, 60)}`)
}"""
SQUEEZED = """() => [...document.querySelectorAll('.bd-article img')]
  .filter(e => e.checkVisibility() && e.naturalHeight)
  .filter(e => Math.abs(e.clientWidth * e.naturalHeight / (e.clientHeight * e.naturalWidth) - 1) > 0.02)
  .map(e => `${e.clientWidth} x ${e.clientHeight}: ${e.alt.slice(0, 60)}`)"""
UNREACHABLE = """() => [...document.querySelectorAll('.bd-article *')].filter(e => {
    const style = getComputedStyle(e)
    return /auto|scroll/.test(style.overflowX) && e.scrollWidth > e.clientWidth + 1 && e.checkVisibility()
      && e.tabIndex < 0 && !e.querySelector('a, button, input, summary, [tabindex="0"]')
  }).map(e => `${e.tagName} ${e.className}: ${e.textContent.trim().slice(0, 40)}`)"""
UNDRAWN = """() => document.querySelectorAll('mjx-container').length < document.querySelectorAll('.math').length
  ? ['some formulas are not drawn']
  : [...document.querySelectorAll('mjx-merror, [data-mjx-error]')].map(e => e.outerHTML)"""
FORMULAS_IN_TAB_ORDER = "() => [...document.querySelectorAll('mjx-container')].filter(e => e.tabIndex >= 0).length"
OPEN_ALL = "() => document.querySelectorAll('details').forEach(e => { e.open = true })"
NOT_PRINTED = """() => [...document.querySelectorAll('.bd-article details > *, .bd-article .toggle-hidden')]
  .filter(e => e.tagName !== 'SUMMARY' && !e.closest('.tag_hide-input') && e.textContent.trim()
    && (!e.checkVisibility({contentVisibilityAuto: true}) || e.getBoundingClientRect().height < 2))
  .map(e => e.textContent.trim().slice(0, 50))"""
FINDINGS = """async rules => {
  // thousands of coloured words of code would take half a minute a page: the first of each kind keeps its colour
  const seen = new Set()
  document.querySelectorAll('div.highlight pre span').forEach(e => {
    if (seen.has(e.className)) e.replaceWith(...e.childNodes)
    seen.add(e.className)
  })
  const how = {resultTypes: ['violations'], iframes: false, preload: false, ...(rules ? {runOnly: rules} : {})}
  return (await axe.run(document, how)).violations.flatMap(v => v.nodes.map(
    n => ({rule: v.id, impact: v.impact, html: n.html, target: n.target.join(' ')})))
}"""


@pytest.fixture(scope="module")
def served(html_root):
    """The address under which a server of this machine offers the built book."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    handler = functools.partial(Quiet, directory=html_root)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def ours(findings):
    """Return the findings of axe that are not the theme's own, as lines."""
    lines = []
    for finding in findings:
        known = THEMES_OWN.get(finding["rule"])
        if not known or not re.search(known[0], finding["html"] + " " + finding["target"]):
            lines.append(f"{finding['impact']} {finding['rule']}: {finding['target']} {finding['html'][:120]}")
    return lines


def looked_at(page, faults, name, width, *questions, height=900):
    """Ask the page the questions in a window of this width; note what is found under the window's name."""
    page.set_viewport_size({"width": width, "height": height})
    for kind, question in questions:
        faults[f"{kind} {name}"] = page.evaluate(question)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("entry", PAGES)
def test_no_reader_meets_a_fault(entry, scheme, browser, html_root, served):
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1300, "height": 900}, bypass_csp=True)
    address = (html_root / f"{entry}.html").as_uri() if scheme == "light" else f"{served}/{entry}.html"
    faults = {"requests": [], "complaints": []}
    try:
        page = context.new_page()
        page.on("request", lambda request: note_request(faults, request.url, served))
        page.on("console", lambda message: note_complaint(faults, message))
        page.on("pageerror", lambda error: faults["complaints"].append(str(error)))
        page.add_init_script(FIRST_PAINT)
        page.goto(address, wait_until="load")
        page.wait_for_function(MATHS)
        theme = page.evaluate("() => [window.firstTheme, getComputedStyle(document.body).backgroundColor]")
        ground = sum(map(float, re.findall(r"[\d.]+", theme[1])[:3])) / 3
        faults["first colours"] = [] if theme[0] == scheme and (ground < 100) == (scheme == "dark") else [str(theme)]
        looked_at(page, faults, "at 1300 px", 1300, ("cut", CUT), ("blurred", BLURRED), ("words broken", BROKEN))
        faults["mathematics"] = page.evaluate(UNDRAWN)
        faults["formulas in the tab order"] = page.evaluate(FORMULAS_IN_TAB_ORDER)
        page.evaluate(OPEN_ALL)
        page.wait_for_timeout(500)  # what opens fades in, and its colours with it
        page.evaluate(AXE)
        faults["axe"] = ours(page.evaluate(FINDINGS, None if scheme == "light" else ["color-contrast"]))
        sideways = ("sideways", SIDEWAYS)
        if scheme == "light":
            looked_at(page, faults, "at 320 px", 320, sideways)
            looked_at(page, faults, "at 360 px", 360, sideways, ("squeezed", SQUEEZED))
            page.wait_for_timeout(400)  # the script waits a little until the window has its size
            faults["out of the keyboard's reach"] = page.evaluate(UNREACHABLE)
            page.emulate_media(media="print")
            printed = ("cut", CUT), ("hidden", NOT_PRINTED), ("squeezed", SQUEEZED), sideways
            looked_at(page, faults, "in print", 717, *printed)
        else:
            looked_at(page, faults, "at 390 px", 390, sideways, ("words broken", BROKEN))
            page.evaluate("() => { document.documentElement.style.fontSize = '200%' }")
            looked_at(page, faults, "at 390 px, letters doubled", 390, sideways)
            looked_at(page, faults, "at 1300 px, letters doubled", 1300, sideways)
    finally:
        context.close()
    found = {kind: what for kind, what in faults.items() if what}
    assert not found, "\n".join(f"{kind}: {what}" for kind, what in found.items())


def note_request(faults, url, served):
    """Note a request that leaves the machine."""
    if not re.match(r"(file|data|blob|about):", url) and not url.startswith(served):
        faults["requests"].append(url)


def note_complaint(faults, message):
    """Note what the console complains of; the theme also logs there that it has set its colours."""
    if message.type in ("error", "warning"):
        faults["complaints"].append(f"{message.type}: {message.text}")
