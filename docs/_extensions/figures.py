"""Keep each figure with its sign on one line: ``92.30 ± 0.46 %`` is never broken."""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

SPACE = re.compile(r"(?<=\d) (?=[%±])|(?<=±) (?=\d)")
LITERALS = (nodes.literal, nodes.FixedTextElement)


def joined(text: str) -> str:
    """Return a text with non-breaking spaces around ± and before %."""
    return SPACE.sub("\N{NO-BREAK SPACE}", text)


class JoinFigures(SphinxPostTransform):
    """Join the figures of a page; code stays as it is."""

    default_priority = 900

    def run(self, **_: object) -> None:
        """Replace each text of the page."""
        for text in list(self.document.findall(nodes.Text)):
            if not isinstance(text.parent, LITERALS):
                text.parent.replace(text, nodes.Text(joined(text)))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transform."""
    app.add_post_transform(JoinFigures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
