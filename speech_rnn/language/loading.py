"""Load a language model from a file of any supported kind."""

from __future__ import annotations

from pathlib import Path

from speech_rnn.errors import DataError
from speech_rnn.language.kenlm import KenLanguageModel
from speech_rnn.language.ngram import NGram
from speech_rnn.language.scoring import LanguageModel


def load_language_model(path: str | Path) -> LanguageModel:
    """Load a ``.safetensors`` file, an ARPA file, or a file of KenLM (``.bin``, ``.binary``).

    Parameters
    ----------
    path : file of the language model; its ending decides the kind.

    Raises
    ------
    DataError, ModelError
        if the file is missing or holds no language model.
    MissingExtraError
        if a file of KenLM needs the package ``kenlm``, which is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"lm={str(path)!r} does not exist; train one with +recipe=language_model")
    if path.suffix == ".safetensors":
        from speech_rnn.language.recurrent import RecurrentLanguageModel

        return RecurrentLanguageModel.load(path)
    if path.suffix in (".bin", ".binary", ".klm", ".trie"):
        return KenLanguageModel(path)
    return NGram.load(path)
