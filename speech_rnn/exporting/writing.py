"""Write an ONNX file, and check on clips that it recognises as well as the recogniser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_rnn.data.cache import AudioCache
from speech_rnn.data.corpus import Utterance
from speech_rnn.data.folder import Folder
from speech_rnn.data.manifest import read_manifest
from speech_rnn.errors import ConfigurationError, DataError, ModelError
from speech_rnn.evaluation.scoring import evaluate
from speech_rnn.exporting.export import export_onnx
from speech_rnn.metrics import Accuracy
from speech_rnn.recognizer import Recognizer
from speech_rnn.samples.integers import FULL_SCALE
from speech_rnn.storage import atomic

N_SHOWN = 200
"""Number of clips from which ranges of 8-bit values are determined."""


@dataclass(frozen=True)
class Fidelity:
    """Results on the same clips before and after the export.

    Parameters
    ----------
    before : accuracy of the recogniser.
    after : accuracy of the ONNX file.
    """

    before: Accuracy
    after: Accuracy

    @property
    def lost_points(self) -> float:
        """Loss of accuracy by the export, in percentage points."""
        return 100 * (self.before.value - self.after.value)


@dataclass(frozen=True)
class Exported:
    """An exported file.

    Parameters
    ----------
    path : path of the file.
    n_bytes : size of the file in bytes.
    kind, precision, opset : as in `onnx_format.GraphDescription`.
    fidelity : results of the check; None without clips.
    """

    path: Path
    n_bytes: int
    kind: str
    precision: str
    opset: int
    fidelity: Fidelity | None


def read_clips(path: str | Path) -> list[Utterance]:
    """Return the utterances of a manifest (its test rows, if any) or of a folder of words.

    Raises
    ------
    DataError
        if there is neither, or it is empty.
    """
    path = Path(path)
    if path.is_dir():
        folder = Folder(str(path), test_percentage=0, validation_percentage=0)
        return list(folder.prepare().utterances)
    if not path.is_file():
        raise DataError(
            f"clips={str(path)!r} does not exist; give a folder with one folder for each word, or "
            "a manifest (.jsonl or .csv) with audio and text"
        )
    rows = read_manifest(path)
    return [row for row in rows if row.split == "test"] or rows


def write_onnx(
    recognizer: Recognizer,
    output: str | Path,
    *,
    streaming: bool = False,
    int8: bool = False,
    clips: Sequence[Utterance] = (),
    limit: float = 0.3,
) -> Exported:
    """Export a recogniser to a file, all or nothing.

    Parameters
    ----------
    recognizer : recogniser with features and model in PyTorch.
    output : the file, which must end in ``.onnx``.
    streaming, int8 : as in `export_onnx`.
    clips : clips on which the file must be as accurate as the recogniser. int8 requires some, from
        which it also determines the ranges of 8-bit values, without using labels.
    limit : largest loss of accuracy, in percentage points.

    Raises
    ------
    ConfigurationError
        if the ending is another one, int8 has no clips or the limit is below 0, and in the cases of
        `export_onnx`.
    DataError
        if none of the clips can be read, or none is recognised correctly.
    ModelError
        if the file loses more than `limit`; it is not kept.
    """
    output = Path(output)
    if output.suffix != ".onnx":
        raise ConfigurationError(f"output={str(output)!r} must end in .onnx")
    if limit < 0:
        raise ConfigurationError(f"limit={limit} must be 0 points or more")
    if int8 and not clips:
        raise ConfigurationError(
            "int8=True needs clips to measure the accuracy: a folder that holds one "
            "folder a word or a manifest, that were not trained on"
        )
    shown = samples_of(clips, recognizer.sample_rate) if int8 else ()
    model = export_onnx(recognizer, streaming=streaming, int8=int8, clips=shown)
    output.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(output) as partial:
        partial.write_bytes(model.SerializeToString())
        written = Recognizer.load(partial)
        fidelity = None
        if clips:
            before, after = (evaluate(each, clips).accuracy for each in (recognizer, written))
            if not before.correct:
                raise DataError(
                    f"none of the {before.total} clips is recognised; give clips of its words: "
                    f"{', '.join(recognizer.vocabulary.words)}"
                )
            fidelity = Fidelity(before, after)
            _check_loss(fidelity, limit, int8)
    described = written.description["onnx"]
    return Exported(
        output,
        output.stat().st_size,
        described["kind"],
        described["precision"],
        described["opset"],
        fidelity,
    )


def samples_of(clips: Sequence[Utterance], sample_rate: int) -> Iterator[NDArray[np.float32]]:
    """Yield the samples of some of the clips, evenly spread over all of them."""
    cache = AudioCache(clips[:: -(-len(clips) // N_SHOWN)], sample_rate)
    for index in range(len(cache)):
        yield cache[index].astype(np.float32) / FULL_SCALE


def _check_loss(fidelity: Fidelity, limit: float, int8: bool) -> None:
    if fidelity.lost_points > limit + 1e-9:
        way_out = "export without int8, train longer, or " if int8 else ""
        raise ModelError(
            f"the ONNX file answers {fidelity.after.correct} of {fidelity.after.total} clips right "
            f"and the recogniser {fidelity.before.correct}: {fidelity.lost_points:.2f} points "
            f"lost are over limit={limit}; {way_out}set a higher limit"
        )
