"""Make the weights of `speech_rnn.features.Embedding`, and their card, with one command.

python recipes/embedding/build.py DATA [key=value …]

DATA holds speech_commands_v0.02/, speech/, noise/ and digits/, as this folder's README.md says;
keys are those of distillation/settings.py. All intermediate files are kept in outputs/embedding,
and weights and card are written into the package; with output_dir=DIR everything stays there. After
an interruption the same command continues; in the middle of a training, add resume=true.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from distillation.card import card, rounded, rows, write_weights
from distillation.corpus import Corpus, open_corpus, read_noises
from distillation.discriminants import discriminants
from distillation.guards import learnable
from distillation.names import Names, name_clips
from distillation.probe import EncoderFront, Probe
from distillation.processes import in_processes
from distillation.settings import Settings, digest, parse
from distillation.sources import identity, windows
from distillation.student import read_encoder
from distillation.targets import Scale, write_targets
from distillation.teacher import Teacher
from distillation.training import Progress, Training
from distillation.windows import Part

from speech_rnn.errors import ConfigurationError, printed_errors
from speech_rnn.features.embedding import WEIGHTS
from speech_rnn.model.whisper_weights import whisper
from speech_rnn.storage.atomic import replacing, write
from speech_rnn.training import Run

CARD = "EMBEDDING.md"
NAMED = ("seed", "unlabelled", "talk_clips", "naming_epochs")


def main() -> None:
    """Make sounds, targets, names and weights, evaluate them, and store the result."""
    with printed_errors():
        if len(sys.argv) < 2:
            raise ConfigurationError(str(__doc__))
        settings = parse(sys.argv[2:])
        torch.set_num_threads(settings.threads)
        output = build(Path(sys.argv[1]), settings)
        if settings.output_dir == Settings.output_dir:
            for name in (WEIGHTS.name, CARD):
                shutil.copyfile(output / name, WEIGHTS.with_name(name))


def build(data: Path, settings: Settings) -> Path:
    """Run all stages, each of which reuses existing results; return the output's folder."""
    output = Path(settings.output_dir)
    teacher = Teacher(whisper())
    parts = windows(data, settings)
    for part in parts:
        write_targets(part, teacher)
    corpus = open_corpus(parts, teacher.sha256, settings)
    directions = discriminants(corpus, settings.directions)
    corpus = replace(corpus, scale=replace(corpus.scale, directions=directions))
    print(f"{len(corpus.clips):,} clips, {len(corpus.vocabulary):,} words", flush=True)
    key = [[part.folder.name for part in parts], teacher.sha256]
    names = named(corpus, settings, key)
    checkpoint = checkpoint_of(data, settings, key)
    given = (parts, teacher.sha256, corpus.scale, names, data, settings, checkpoint)
    in_processes(settings.processes, train, *given)
    encoder = rounded(read_encoder(checkpoint, settings))
    figures = Probe(data, output / "voices")(EncoderFront(encoder))
    print("\n".join(rows(figures)), figures.by_word, figures.digits, flush=True)
    provenance = {
        "seed": str(settings.seed),
        "commit": str(Run().provenance()["commit"]),
        "epochs": str(settings.epochs),
        "teacher": teacher.sha256,
    }
    write_weights(output / WEIGHTS.name, encoder, settings, provenance)
    write(output / CARD, card(encoder, corpus, figures, settings, provenance))
    return output


def named(corpus: Corpus, settings: Settings, key: Sequence[object]) -> Names:
    """Return the names of unlabelled clips, from their file if it exists."""
    folder = Path(settings.output_dir) / "names"
    path = folder / f"{digest(key, settings.values(*NAMED))}.npz"
    if not path.is_file():
        names = name_clips(corpus, settings)
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            np.savez(partial, **asdict(names))
    with np.load(path) as kept:
        return Names(kept["words"], kept["shares"])


def checkpoint_of(data: Path, settings: Settings, key: Sequence[object]) -> Path:
    """Return the checkpoint file for these settings; its folder is created and lists them."""
    heard = [identity(learnable(folder)) for folder in noise_folders(data, settings)]
    folder = Path(settings.output_dir) / "training" / digest(key, heard, settings.fingerprint())
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "settings.json", json.dumps(asdict(settings), indent=2))
    return folder / "checkpoint.pt"


def noise_folders(data: Path, settings: Settings) -> list[Path]:
    """Return the folders of recorded noise."""
    return [data / "noise", *map(Path, settings.noise)]


def train(
    parts: Sequence[Part],
    teacher: str,
    scale: Scale,
    names: Names,
    data: Path,
    settings: Settings,
    checkpoint: Path,
) -> None:
    """Train, or continue a training of the same settings; print the results of each epoch.

    It may run in several processes, each of which opens the files separately.
    """
    torch.set_num_threads(settings.threads)
    corpus = replace(open_corpus(parts, teacher, settings), scale=scale)
    noises = read_noises(noise_folders(data, settings))
    training = Training(corpus, names, noises, settings)

    def told(progress: Progress) -> None:
        print(progress, flush=True)
        every = settings.measure_every
        if every and progress.epoch % every == 0 and progress.epoch < settings.epochs:
            probe = Probe(data, Path(settings.output_dir) / "voices")
            print("\n".join(rows(probe(EncoderFront(training.mean.folded())))), flush=True)

    training.run(checkpoint, told)


if __name__ == "__main__":
    main()
