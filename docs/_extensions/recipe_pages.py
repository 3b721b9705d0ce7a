"""Bring the pages of the recipes into the site, with links that stay within it."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs/recipes"
"""Written by each build, and ignored by git."""
PLACES = [
    (r"(?:\.\./)+recipes/(\w+)/README\.md", r"/recipes/\1.md"),
    (r"(?:\.\./)+speech_rnn/starter/CARD\.md", "/recipes/card.md"),
    (r"(?:\.\./)+speech_rnn/features/EMBEDDING\.md", "/recipes/embedding_card.md"),
    (r"(?:\.\./)+(?:docs/)?(whisper|house)\.md", r"/\1.md"),
    (r"(?:\.\./)+docs/((?:explanation|results)/\w+)\.md", r"/\1.md"),
]
"""Patterns of links in the repository, each with its place in the site."""
LINK = re.compile(r"(\]\(\s*)([^)\s#]+)(#[\w-]*)?\)")


def in_site(text: str, folder: str) -> str:
    """Return a page with its links as the site has them.

    Parameters
    ----------
    text : the page, in Markdown.
    folder : of the page in the repository, from which its links go.
    """

    def placed(match: re.Match[str]) -> str:
        target = match[2]
        if folder.startswith("recipes"):
            target = re.sub(r"^\.\./(\w+/README\.md)$", r"../recipes/\1", target)
        for pattern, place in PLACES:
            target = re.sub(f"^{pattern}$", place, target)
        if folder.startswith("recipes") and target == match[2] and "://" not in target:
            target = f"../../{folder}/{target}"  # a file beside the page
        return f"{match[1]}{target}{match[3] or ''})"

    return LINK.sub(placed, text)


def write_pages(app: Sphinx) -> None:
    """Write the page of each recipe, and the cards of the package's recogniser and embedding."""
    FOLDER.mkdir(exist_ok=True)
    sources = {page.parent.name: page for page in sorted(ROOT.glob("recipes/*/README.md"))}
    sources["card"] = ROOT / "speech_rnn/starter/CARD.md"
    sources["embedding_card"] = ROOT / "speech_rnn/features/EMBEDDING.md"
    pages = {
        name: in_site(page.read_text(encoding="utf-8"), f"recipes/{name}")
        for name, page in sources.items()
    }
    listed = "\n".join(pages)
    pages["index"] = (
        "# Pages of the recipes\n\nEach page says what the recipe is for, and has its command, its "
        "figures and what to change.\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
    )
    for name, text in pages.items():
        path = FOLDER / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in FOLDER.glob("*.md"):
        if path.stem not in pages:
            path.unlink()


def place_links(app: Sphinx, name: str, source: list[str]) -> None:
    """Let the links of the other pages lead to these."""
    if not name.startswith("recipes/"):
        source[0] = in_site(source[0], "docs")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", write_pages)
    app.connect("source-read", place_links)
    return {"parallel_read_safe": True}
