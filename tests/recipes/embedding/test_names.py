from dataclasses import replace

import numpy as np
import torch
from distillation.corpus import label_of
from distillation.discriminants import covariance, discriminants, part_means, scatter
from distillation.names import is_nameless, likeliest, said_in, teaching_rows
from distillation.settings import Settings
from distillation.windows import Clip

from tests.recipes.embedding.made import SMALL, WORDS, corpus


def clip(text, source):
    return Clip(text, source, "somebody", 0, 8000)


def test_labels_of_peoples_commands_are_never_used():
    settings = Settings()
    for source in ("speech_commands", "words-more"):
        assert label_of(clip("yes", source), settings) == ""
        assert label_of(clip("bed", source), settings) == "bed"
        assert is_nameless(clip("yes", source), settings)
    for source in ("espeak", "talk_words"):
        assert label_of(clip("yes", source), settings) == "yes"
        assert not is_nameless(clip("yes", source), settings)
    assert label_of(clip("yes please", "espeak"), settings) == ""


def test_names_use_no_recording_of_a_word(tmp_path):
    opened = corpus(tmp_path)
    assert opened.vocabulary == tuple(sorted(WORDS))
    assert len(teaching_rows(opened, SMALL)) == 36
    for source, n_rows in (("speech_commands", 0), ("words-more", 0), ("talk_words", 3 * 8)):
        clips = tuple(replace(each, source=source) for each in opened.clips)
        assert len(teaching_rows(replace(opened, clips=clips), SMALL)) == n_rows


def test_a_clip_is_named_by_a_word_of_its_source(tmp_path):
    """The classifier likes word 25 best; the source has words 0 to 3 alone."""
    truth = torch.arange(400) % 4
    scores = torch.randn(400, 30, generator=torch.Generator().manual_seed(0))
    scores[torch.arange(400), truth] += 2.0
    scores[:, 25] += 5.0
    rows, is_said = np.arange(400), torch.arange(30) < 4
    words, shares = likeliest(torch.nn.Sequential(), scores, rows, is_said)
    assert words.shape == shares.shape == (400, 16)
    assert (shares[:, :4].sum(1) > 0.99).all()
    assert not shares[:, 4:].any()
    assert (words[:, 0] == truth.numpy()).mean() > 0.75

    opened = corpus(tmp_path)
    assert said_in("espeak", opened).tolist() == [True] * 3
    assert said_in("speech_commands", opened).tolist() == [False] * 3


def test_words_differ_most_along_the_directions(tmp_path):
    """By Fisher's ratio, on clips that the directions were not computed from."""
    opened = corpus(tmp_path / "one", n_clips=150)
    other = corpus(tmp_path / "two", n_clips=60, seed=1)
    directions = opened.scale.directions
    assert directions.shape == (384, 2)
    labels, sizes = torch.from_numpy(other.labels), torch.tensor([20, 20, 20])
    within, between = scatter(part_means(other, np.arange(60)), labels, sizes)

    def ratio(direction):
        return (direction @ between @ direction) / (direction @ within @ direction)

    anywhere = np.random.default_rng(0).normal(0, 1, (384, 20)).T
    assert ratio(directions[:, 0].double().numpy()) > 3 * max(map(ratio, anywhere))


def test_without_words_the_states_themselves_are_asked_for(tmp_path):
    opened = corpus(tmp_path)
    unlabelled = replace(opened, labels=np.full(36, -1))
    assert discriminants(unlabelled, 2) is None
    assert opened.scale.n_asked == 2
    assert replace(opened.scale, directions=None).n_asked == 384


def test_scatter_parts_variance_within_and_between_words():
    torch.manual_seed(0)
    clips = torch.randn(4000, 4, 3)
    labels = torch.arange(4000) % 2
    clips[labels == 1, :, 0] += 6
    within, between = scatter(clips, labels, torch.tensor([2000, 2000]))
    assert np.allclose(within, np.eye(3), atol=0.1)
    assert np.allclose(between, np.diag([9.0, 0, 0]), atol=0.3)
    assert covariance(torch.ones(5, 2)).tolist() == [[1, 1], [1, 1]]
