"""Create a decoder from command-line options: files, numbers and hot words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from speech_rnn.decoding.decoder import Decoder
from speech_rnn.decoding.grammar import Grammar
from speech_rnn.errors import ConfigurationError
from speech_rnn.language.loading import load_language_model
from speech_rnn.vocabulary import Vocabulary

DEFAULT_BEAM = 50
"""Beam size for a language model or hot words, unless another is given."""


def choose_decoder(
    vocabulary: Vocabulary,
    *,
    beam: int | None = None,
    n_best: int = 1,
    grammar: Path | None = None,
    reject_below: float = 0.0,
    lm: Path | None = None,
    lm_weight: float = 0.5,
    token_bonus: float | None = None,
    hot_words: Sequence[str] | None = None,
) -> Decoder:
    """Return a decoder that fits `vocabulary`.

    Parameters
    ----------
    beam : number of prefixes to keep; None is 50 if a language model or hot words need a beam.
    grammar, lm : files of a grammar and a language model.
    hot_words : texts of the form ``WORD=BONUS``.

    Raises
    ------
    ConfigurationError, DataError, ModelError
        if files cannot be read, or options do not fit together.
    """
    decoder = Decoder(
        beam_size=beam or (DEFAULT_BEAM if lm or hot_words else None),
        n_best=n_best,
        grammar=Grammar.load(grammar) if grammar else None,
        reject_below=reject_below,
        language_model=load_language_model(lm) if lm else None,
        lm_weight=lm_weight,
        token_bonus=token_bonus,
        hot_words=word_values(hot_words or (), "hot_word", "WORD=BONUS, such as stop=2"),
    )
    decoder.check(vocabulary)
    return decoder


def word_values(given: Sequence[str], name: str, example: str) -> dict[str, float]:
    """Parse texts of the form ``WORD=VALUE`` from a command line.

    Parameters
    ----------
    given : the texts.
    name : name of the option, for the message.
    example : such as ``WORD=BONUS, such as stop=2``.

    Raises
    ------
    ConfigurationError
        if a text lacks a word or a number.
    """
    values = {}
    for text in given:
        word, _, value = text.rpartition("=")
        try:
            values[" ".join(word.split())] = float(value)
        except ValueError:
            word = ""
        if not word.strip():
            raise ConfigurationError(f"{name}={text!r} must be {example}")
    return values
