"""The recogniser that comes with the package; ``recipes/starter/build.py`` makes it."""

from pathlib import Path

__all__ = ["CARD", "STARTER"]

STARTER = Path(__file__).with_name("starter.onnx")
"""English digits, ten commands and six key phrases, for clips and streams, in 8 bits."""
CARD = Path(__file__).with_name("CARD.md")
"""The card of the recogniser: training data, licences and accuracy."""
