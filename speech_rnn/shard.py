"""Write a corpus as tar shards: ``python -m speech_rnn.shard +recipe=NAME output=DIR``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from speech_rnn.config.door import hydra_door

if TYPE_CHECKING:
    from omegaconf import DictConfig


def run(cfg: DictConfig) -> None:
    """Write the corpus of `cfg`, and print how many clips each split has, and its shards."""
    from hydra.utils import instantiate

    from speech_rnn.config.build import recipe_of
    from speech_rnn.data.shards.writing import write_shards
    from speech_rnn.storage.folders import make_folder, writing

    recipe = recipe_of(instantiate(cfg.data), cfg)
    folder = make_folder(Path(cfg.output), "output")
    with writing(folder, "output"):
        index = write_shards(
            recipe.isolated(),
            folder,
            sample_rate=recipe.features.sample_rate,
            shard_mb=cfg.shard_mb,
            seed=cfg.seed,
        )
    for split, entry in index.splits.items():
        print(
            f"{split}: {entry.clips:,} clips, {entry.seconds / 3600:.2f} h: {folder / entry.path}"
        )


main = hydra_door("shard", run)


if __name__ == "__main__":
    main()
