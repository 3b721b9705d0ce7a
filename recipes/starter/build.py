"""Make the recogniser that comes with the package, and its card, with one command.

python recipes/starter/build.py DATA [key=value …]

DATA holds digits/, keywords/, speech/ and Speech Commands, as this folder's README.md says; keys
are those of the training. The run is stored in outputs/starter, and the file and its card are
written into the package; with output_dir=DIR everything stays there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig

from speech_rnn.config.app import as_typed, compose
from speech_rnn.config.build import corpus_of
from speech_rnn.data.at_hand import AtHand
from speech_rnn.data.corpus import Utterance
from speech_rnn.data.manifest import write_manifest
from speech_rnn.data.speech_commands import COMMANDS, SpeechCommands
from speech_rnn.evaluation.results import Row
from speech_rnn.evaluation.scoring import evaluate
from speech_rnn.metrics import Accuracy
from speech_rnn.recognizer import Recognizer
from speech_rnn.reporting.summary import Summary
from speech_rnn.starter import CARD, STARTER
from speech_rnn.vocabulary import REASONS, SILENCE, UNKNOWN

VOICES = {
    "espeak": ("espeak-ng", "GPL 3"),
    "kokoro": ("Kokoro-82M", "Apache 2.0"),
    "flite": ("flite", "BSD"),
}
"""Name and licence of each synthesizer of the recipe."""

LIMIT = ("--limit", "1")  # loss of accuracy that 8 bits may cost, in percentage points


@dataclass(frozen=True)
class Figure:
    """A row of the card's table."""

    what: str
    right: Accuracy

    def __str__(self) -> str:
        low, high = (100 * end for end in self.right.interval)
        share = f"**{100 * self.right.value:.2f} %** ({self.right.correct} of {self.right.total})"
        return f"| {self.what} | {share} | {low:.1f} to {high:.1f} % |"


def main() -> None:
    """Train, export, evaluate, and store the file and its card."""
    data, *overrides = sys.argv[1:]
    given = dict(line.split("=", 1) for line in overrides if "=" in line)
    output = Path(given.get("output_dir", "outputs/starter"))
    line = ["+recipe=starter", f"data.root={data}", f"negatives.speech=[{data}/speech]", *overrides]
    run("train", *line, *([] if "output_dir" in given else [f"output_dir={output}"]))
    config = compose("train", as_typed(line))
    corpus = corpus_of(config)
    said = [
        replace(row, audio=str(Path(row.audio).resolve()))
        for row in corpus.split("validation")
        if row.text not in REASONS
    ]
    write_manifest(output / "said.jsonl", said)
    onnx = output / "starter.onnx"
    model = ("--model", output / "recognizer.safetensors", "--output", onnx)
    run("export", *model, "--streaming", "--int8", "--clips", output / "said.jsonl", *LIMIT)
    official = SpeechCommands(data, task="12", download=False).prepare().split("test")
    recognizer = Recognizer.load(onnx)
    table = [*figures(recognizer, corpus.split("test")), *of_official(recognizer, official)]
    (output / "CARD.md").write_text(card(recognizer, onnx, table, voices_of(config)))
    if "output_dir" not in given:
        shutil.copyfile(onnx, STARTER)
        shutil.copyfile(output / "CARD.md", CARD)


def run(verb: str, *arguments: object) -> None:
    """Run a command of the package, with visible output."""
    line = [sys.executable, "-m", f"speech_rnn.{verb}", *map(str, arguments)]
    print("$", *line[2:], flush=True)
    subprocess.run(line, check=True)


def figures(recognizer: Recognizer, rows: tuple[Utterance, ...]) -> list[Figure]:
    """Evaluate the recogniser on clips of the test."""
    answered = evaluate(recognizer, rows).rows
    people = [row for row in answered if Path(row.utterance.audio).parent.name == "digits"]
    phrases = [row for row in answered if "keywords" in Path(row.utterance.audio).parts]
    others = [row for row in answered if row.utterance.text in REASONS]
    return [
        Figure("digits of a speaker who was not in the training (FSDD's george)", right(people)),
        Figure(
            "key phrases, clips that were not in the training; some speakers were", right(phrases)
        ),
        Figure("other words and talk of other people, left without an answer", silent(others)),
    ]


def of_official(recognizer: Recognizer, rows: tuple[Utterance, ...]) -> list[Figure]:
    """Answer the official test set of Speech Commands, and count.

    The file of a clip that is ``_unknown_`` begins with its word: digits are words of this one.
    """
    answered = evaluate(recognizer, rows).rows
    commands = [row for row in answered if row.utterance.text in COMMANDS]
    noise = [row for row in answered if row.utterance.text == SILENCE]
    unknown = [row for row in answered if row.utterance.text == UNKNOWN]
    words = [(Path(row.utterance.audio).name.partition("_")[0], row) for row in unknown]
    digits = [row.recognised == word for word, row in words if word in recognizer.vocabulary.words]
    others = [row for word, row in words if word not in recognizer.vocabulary.words]
    test_set = "of Speech Commands' official test set"
    return [
        Figure(f"ten commands {test_set}", right(commands)),
        Figure(f"digits {test_set}", Accuracy(sum(digits), len(digits))),
        Figure(f"other words {test_set}, left without an answer", silent(others)),
        Figure(f"silence {test_set}, left without an answer", silent(noise)),
    ]


def silent(rows: list[Row]) -> Accuracy:
    """Count rows that are left without an answer."""
    return Accuracy(sum(not row.recognised for row in rows), len(rows))


def right(rows: list[Row]) -> Accuracy:
    """Count the rows with a right answer."""
    return Accuracy(sum(row.is_correct for row in rows), len(rows))


def voices_of(config: DictConfig) -> list[str]:
    """Return the synthesizers that are installed, which are those of the training."""
    sources = {name: instantiate(config.data.sources.get(name)) for name in VOICES}
    return list(AtHand.of(sources).sources)


def card(recognizer: Recognizer, file: Path, table: list[Figure], voices: list[str]) -> str:
    """Return the text of the card: description, training data and figures."""
    names, licences = zip(*(VOICES[name] for name in voices), strict=True)
    known = recognizer.provenance
    recorded, alone = Summary.of(file, recognizer).by_origin
    if alone:
        words = f"{', '.join(recorded)}. **Synthetic voices only**: {', '.join(alone)}"
    else:
        words = ", ".join(recorded)
    return TEXT.format(
        size=f"{file.stat().st_size / 1e6:.2f}",
        words=words,
        voices=", ".join(names),
        licences=", ".join(licences),
        clips="{train:,} clips, validated on {validation:,}".format(**known["n_clips"]),
        **{name: known[name] for name in ("seed", "commit", "epochs", "n_parameters")},
        seconds=round(known["training_seconds"]),
        table="\n".join(map(str, table)),
    )


TEXT = """\
# The recogniser that comes with the package

One ONNX file of {size} MB in 8 bits, for clips and for streams, with its features inside: a GRU
layer that reads in both directions, in chunks, on the project's own front end. {n_parameters:,}
weights.

It was trained on these words, spoken by people and by synthetic voices: {words}.
Only 14 training clips of “on”, and 14 of “off”, are by people.

| tested on | answered right | 95 % interval |
|---|---|---|
{table}

The figures were measured with this file. It was trained on utterances that are joined from
{clips}: seed {seed}, commit {commit}, {epochs} epochs, {seconds} s.
`python recipes/starter/build.py DATA` trains it again.

| source of the training data | content | licence |
|---|---|---|
| Free Spoken Digit Dataset | digits of three men | CC BY-SA 4.0 |
| Picovoice's wake-word benchmark | six key phrases, more than 50 people | Apache 2.0 |
| LibriSpeech, AMI | other speech, without the words | CC BY 4.0 |
| Speech Commands v2 | commands, digits, other words, noises; not its test speakers | CC BY 4.0 |
| the package's front end | frozen; its card is speech_rnn/features/EMBEDDING.md | MIT |
| {voices} | synthetic voices | {licences} (of the programs) |
"""


if __name__ == "__main__":
    main()
