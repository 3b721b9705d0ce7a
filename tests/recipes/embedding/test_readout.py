import numpy as np
import torch
from distillation.readout import read_out, state_means
from distillation.student import new_student
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch.testing import assert_close

from tests.recipes.embedding.made import SMALL, corpus


def test_the_last_layer_is_the_linear_discriminant_of_words(tmp_path):
    """Its first direction is scikit-learn's; the mean embedding is 0."""
    torch.manual_seed(1)
    opened = corpus(tmp_path)
    encoder = read_out(new_student(SMALL).eval().folded(), opened)
    rows = np.flatnonzero(opened.labels >= 0)
    clips = state_means(encoder, opened, rows)
    embeddings = encoder.output(clips).detach()
    assert_close(embeddings.mean((0, 1)), torch.zeros(4), atol=1e-2, rtol=0)

    # words and places in them are one and the same here: the parts of a tone are alike
    flat = clips[:, 1].detach().numpy()
    reference = LinearDiscriminantAnalysis(solver="eigen").fit(flat, opened.labels[rows])
    ours, theirs = embeddings[:, 1, 0].numpy(), reference.transform(flat)[:, 0]
    assert abs(np.corrcoef(ours, theirs)[0, 1]) > 0.95


def test_without_two_words_it_stays_as_it_is(tmp_path):
    opened = corpus(tmp_path)
    opened.labels[:] = 0
    encoder = new_student(SMALL).eval().folded()
    before = encoder.output.weight.clone()
    assert torch.equal(read_out(encoder, opened).output.weight, before)


def test_the_states_are_those_of_the_clip_alone(tmp_path):
    """What stands before the clip in its window is not heard, nor is what stands beside it."""
    torch.manual_seed(1)
    opened = corpus(tmp_path, n_clips=12)
    encoder = new_student(SMALL).eval().folded()
    rows = np.flatnonzero(opened.labels >= 0)
    together = state_means(encoder, opened, rows)
    for row, expected in zip(rows, together, strict=True):
        assert_close(state_means(encoder, opened, np.array([row]))[0], expected)
