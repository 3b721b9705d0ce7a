"""Language models: against the definition, against KenLM, and inside the beam."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from speech_rnn.decoding.beam import BeamSearch
from speech_rnn.decoding.choosing import word_values
from speech_rnn.decoding.decoder import Decoder
from speech_rnn.errors import ConfigurationError, DataError, MissingExtraError, ModelError
from speech_rnn.language.loading import load_language_model
from speech_rnn.language.ngram import NGram
from speech_rnn.language.recurrent import RecurrentLanguageModel
from speech_rnn.language.scoring import HotWords, perplexity
from speech_rnn.language.text import END, SPACE, read_sentences, tokens_of
from speech_rnn.vocabulary import Vocabulary
from tests.decoding.test_beam import all_sequences, random_log_probs

WORDS = ("left", "right", "go", "smart mirror")
VOCABULARY = Vocabulary.of(WORDS, "words")
SENTENCES = [
    "left left go",
    "right go smart mirror",
    "go",
    "left right left right go",
    "smart mirror go go",
    "left go",
]
PARTS = ["left", "right", "go", "smart", "mirror"]
LETTERS = Vocabulary.of(["ab", "ba c"], "characters")


def ngram(order=3):
    return NGram.estimate([sentence.split() for sentence in SENTENCES], order)


def recurrent(**settings):
    torch.manual_seed(0)
    return RecurrentLanguageModel(PARTS, hidden_size=8, embedding_size=4, **settings)


def letters(order=2):
    return NGram.estimate(
        [tokens_of(text, "characters") for text in ("ab", "ba c", "ab ab")], order
    )


sentences = st.lists(st.sampled_from(PARTS), max_size=6).map(" ".join)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@given(context=st.lists(st.sampled_from(PARTS), max_size=5).map(tuple))
def test_the_probabilities_after_any_context_sum_to_one(order, context):
    model = ngram(order)
    following = [*PARTS, END, "<unk>"]
    total = sum(10 ** model.log10(("<s>", *context), token) for token in following)
    assert total == pytest.approx(1)


def test_witten_bell_by_hand():
    # After "a": b twice, c once, of 3 with 2 kinds. Alone: a 3, b 2, c 1, end 3 of 9 with 4 kinds.
    model = NGram.estimate([["a", "b"], ["a", "b"], ["a", "c"]], 2)
    alone = {"b": (2 + 4 / 5) / 13, "c": (1 + 4 / 5) / 13}
    assert 10 ** model.log10(("a",), "b") == pytest.approx((2 + 2 * alone["b"]) / 5)
    assert 10 ** model.log10(("a",), "c") == pytest.approx((1 + 2 * alone["c"]) / 5)
    unseen = (3 + 4 / 5) / 13
    assert 10 ** model.log10(("a",), "a") == pytest.approx(2 / 5 * unseen)


def test_an_arpa_file_survives_a_round_trip(tmp_path):
    model = ngram()
    model.save(tmp_path / "lm.arpa")
    read = load_language_model(tmp_path / "lm.arpa")
    assert (read.unit, set(read.words)) == ("words", set(PARTS))
    for sentence in [*SENTENCES, "go left zebra"]:
        assert read.score(sentence) == pytest.approx(model.score(sentence), abs=1e-5)


# By KenLM 0.3.0, kenlm.Model(file).score(sentence), of the file that `ngram(3).save` writes.
KENLM = {
    "left left go": -1.2428205013275146,
    "right go smart mirror": -1.889905333518982,
    "go go go": -2.9129695892333984,
    "mirror right": -3.6926543712615967,
}


@pytest.mark.parametrize(("sentence", "log10"), KENLM.items())
def test_an_arpa_file_scores_as_in_kenlm(sentence, log10, tmp_path):
    ngram().save(tmp_path / "lm.arpa")
    score, count = NGram.load(tmp_path / "lm.arpa").score(sentence)
    assert score / math.log(10) == pytest.approx(log10, abs=1e-5)
    assert count == len(sentence.split()) + 1


def test_a_file_of_kenlm_scores_as_ours(tmp_path):
    pytest.importorskip("kenlm")
    from speech_rnn.language.kenlm import KenLanguageModel

    ngram().save(tmp_path / "lm.arpa")
    theirs, ours = KenLanguageModel(tmp_path / "lm.arpa"), ngram()
    log_probs = random_log_probs(3, 6, 5)
    for sentence in [*SENTENCES, "left zebra go"]:
        assert theirs.score(sentence) == pytest.approx(ours.score(sentence), abs=1e-4)
    found = [
        BeamSearch(20, ((model.scorer(VOCABULARY), 0.7),))(log_probs, [6] * 3)
        for model in (theirs, ours)
    ]
    for (one,), (other,) in zip(*found, strict=True):
        assert one.tokens == other.tokens
        assert one.score == pytest.approx(other.score, abs=1e-4)


def test_without_kenlm_the_line_to_install_it_is_given(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "kenlm", None)
    (tmp_path / "lm.binary").write_bytes(b"x")
    with pytest.raises(MissingExtraError, match=r"pip install .*\[kenlm\]'"):
        load_language_model(tmp_path / "lm.binary")


@pytest.mark.parametrize("model", [recurrent(), recurrent(cell="lstm", n_layers=2)], ids=str)
@settings(deadline=None, max_examples=20)
@given(sentence=sentences)
def test_a_recurrent_model_is_a_distribution_and_its_scorer_agrees(model, sentence):
    score, count = model.score(sentence)
    assert count == len(sentence.split()) + 1
    ids = torch.tensor([[0, *model.encode(sentence)]])
    log_probs, _ = model(ids)
    torch.testing.assert_close(log_probs.exp().sum(dim=2), torch.ones(1, ids.shape[1]))
    words = VOCABULARY.split(sentence.split())
    if not {"smart", "mirror"} & set(words):
        scorer, state, total = model.scorer(VOCABULARY), np.zeros(1, dtype=np.int64), 0.0
        for token in VOCABULARY.encode(sentence):
            total += scorer.scores(state)[0, token]
            state = scorer.advance(state, np.array([token]))
        assert total + scorer.finals(state)[0] == pytest.approx(score, abs=1e-4)


def test_a_recurrent_model_survives_a_round_trip(tmp_path):
    model = recurrent(cell="lstm").eval()
    model.save(tmp_path / "lm.safetensors")
    read = load_language_model(tmp_path / "lm.safetensors")
    assert read.hyperparameters == model.hyperparameters
    assert read.score("left go") == model.score("left go")
    assert read.sentences(3, seed=1) == model.sentences(3, seed=1)
    assert read.sentences(3, seed=1) != model.sentences(3, seed=2)
    near_zero = read.sentences(2, seed=1, temperature=1e-4)
    assert near_zero[0] == near_zero[1]


def bonus_of(tokens, bonuses):
    """Read from the left: the longest phrase that starts here, or the next token."""
    total, place = 0.0, 0
    while place < len(tokens):
        sizes = [size for size in (2, 1) if tokens[place : place + size] in bonuses]
        total += bonuses[tokens[place : place + sizes[0]]] if sizes else 0.0
        place += sizes[0] if sizes else 1
    return total


@pytest.mark.slow
@pytest.mark.parametrize("model", [ngram(), recurrent(), None], ids=["ngram", "recurrent", "none"])
@pytest.mark.parametrize("hot", [{}, {"left go": 1.5, "smart mirror": -0.7}], ids=["", "hot"])
def test_fusion_equals_brute_force(model, hot):
    log_probs = random_log_probs(4, 5, 5, seed=3)
    scorers = [(model.scorer(VOCABULARY), 0.7)] if model else []
    scorers += [(HotWords(hot, VOCABULARY), 1.0)] if hot else []
    found = BeamSearch(3000, tuple(scorers), 0.3)(log_probs, [5, 5, 4, 0], n_best=3)
    bonuses = {tuple(VOCABULARY.encode(phrase)): bonus for phrase, bonus in hot.items()}
    for candidates, clip, length in zip(found, log_probs, [5, 5, 4, 0], strict=True):
        expected = {
            tokens: score
            + (0.7 * model.score(" ".join(VOCABULARY.decode(tokens)))[0] if model else 0.0)
            + 0.3 * len(tokens)
            + bonus_of(tokens, bonuses)
            for tokens, score in all_sequences(clip[:length])
        }
        best = sorted(expected, key=lambda tokens: -expected[tokens])[:3]
        assert [candidate.tokens for candidate in candidates] == best
        assert [c.score for c in candidates] == pytest.approx([expected[b] for b in best], abs=1e-4)


@pytest.mark.slow
def test_fusion_of_characters_equals_brute_force():
    model = letters()
    assert model.unit == "characters"
    assert SPACE in model.words
    log_probs = random_log_probs(2, 5, len(LETTERS), seed=1)
    found = BeamSearch(6000, ((model.scorer(LETTERS), 0.5),))(log_probs, [5, 5])
    for (candidate,), clip in zip(found, log_probs, strict=True):
        spelled = {
            tokens: score + 0.5 * model.score("".join(LETTERS.tokens[t] for t in tokens))[0]
            for tokens, score in all_sequences(clip)
        }
        best = max(spelled, key=spelled.__getitem__)
        assert candidate.tokens == best
        assert candidate.score == pytest.approx(spelled[best], abs=1e-4)


def test_a_hot_word_of_characters_counts_where_it_is_whole():
    hot = HotWords({"ab": 2.0}, LETTERS)
    ids = {token: index for index, token in enumerate(LETTERS.tokens)}

    def bonus(text):
        state, total = np.zeros(1, dtype=np.int64), 0.0
        for character in text:
            total += hot.scores(state)[0, ids[character]]
            state = hot.advance(state, np.array([ids[character]]))
        return total + hot.finals(state)[0]

    assert bonus("ab") == bonus("ab c") == bonus("c ab") == pytest.approx(2.0)
    assert bonus("ab ab") == pytest.approx(4.0)
    assert bonus("abc") == bonus("a") == bonus("cab") == bonus("ba") == pytest.approx(0.0)


def test_a_language_model_decides_between_like_sounds():
    """Left and right sound alike here; the text says which follows which."""
    log_probs = np.log(np.full((1, 3, 4), 0.01))
    log_probs[0, 0, 2] = log_probs[0, 1, 0] = np.log(0.97)  # "go", a blank
    log_probs[0, 2, 1], log_probs[0, 2, 3] = np.log([0.50, 0.48])
    vocabulary = Vocabulary.of(["left", "go", "right"], "words")
    model = NGram.estimate([["go", "right"]] * 10 + [["left"]] * 10, 2)
    given = {"step_seconds": 0.03, "durations": [0.09]}
    (plain,) = Decoder(10)(log_probs, [3], vocabulary, **given)
    (fused,) = Decoder(10, language_model=model)(log_probs, [3], vocabulary, **given)
    (hot,) = Decoder(10, hot_words={"right": 1.0})(log_probs, [3], vocabulary, **given)
    assert plain.text == "go left"
    assert fused.text == hot.text == "go right"
    assert 0 < fused.confidence < 1


def test_perplexity_is_that_of_the_definition():
    model = ngram(2)
    scores = [model.score(sentence) for sentence in SENTENCES]
    n_tokens = sum(len(sentence.split()) + 1 for sentence in SENTENCES)
    expected = math.exp(-sum(score for score, _ in scores) / n_tokens)
    assert perplexity(model, SENTENCES) == pytest.approx(expected)
    uniform = NGram.estimate([[]], 1)  # half an end, half unknown, and what was seen
    assert 1 < perplexity(uniform, ["zebra"]) < 2


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: NGram.estimate([], 3), DataError, "no sentences"),
        (lambda: NGram.estimate([["a"]], 0), ConfigurationError, "order=0"),
        (lambda: ngram().scorer(LETTERS), ConfigurationError, "model of words, and .* characters"),
        (lambda: letters().scorer(VOCABULARY), ConfigurationError, "vocabulary=words"),
        (
            lambda: recurrent().scorer(LETTERS),
            ConfigurationError,
            "language_model.unit|vocabulary=",
        ),
        (
            lambda: ngram().scorer(Vocabulary.of(["left", "gow"], "words")),
            ConfigurationError,
            r"lacks 'go', 'mirror', 'right', 'smart'; .*did you mean 'gow'\?",
        ),
        (
            lambda: HotWords({"lift": 1, "zebra go": 2}, VOCABULARY),
            ConfigurationError,
            r"hot_words: .*'lift', 'zebra'; .*did you mean 'left'\?",
        ),
        (
            lambda: word_values(["stop"], "hot_word", "WORD=BONUS"),
            ConfigurationError,
            "hot_word='stop' must be WORD=",
        ),
        (
            lambda: word_values(["=2"], "hot_word", "WORD=BONUS"),
            ConfigurationError,
            "must be WORD=",
        ),
        (lambda: Decoder(language_model=ngram()), ConfigurationError, "need a beam"),
        (lambda: Decoder(hot_words={"go": 1.0}), ConfigurationError, "need a beam"),
        (
            lambda: Decoder(5, hot_words={"go": 1.0}).check(Vocabulary.of(["go"])),
            ConfigurationError,
            "need a recogniser of sequences",
        ),
        (lambda: recurrent(cell="gro"), ConfigurationError, "cell='gro'"),
        (lambda: RecurrentLanguageModel([]), ConfigurationError, "has no tokens"),
        (lambda: RecurrentLanguageModel(["a"], "phones"), ConfigurationError, "unit='phones'"),
        (lambda: recurrent().sentences(1, temperature=0), ConfigurationError, "temperature=0"),
    ],
)
def test_mismatches_are_reported(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("-0.4\tgo", "inf\tgo", "line 7: inf must be a number from -10000 to 10000"),
        ("-0.4\tgo", "1e999\tgo", "line 7: 1e999 must be a number"),
        ("-0.4\tgo", "nan\tgo", "line 7: nan must be a number"),
        ("-0.4\tgo", "500\tgo", "line 7: 500 is not the logarithm of a probability: it is above 0"),
        ("go\t-0.3", "go\tnan", "line 7: nan must be a number"),
        ("\\2-grams", "\\x-grams", r"line 9: section \\x-grams: must be \\2-grams:"),
        ("\\2-grams", "\\-grams", r"line 9: section \\-grams: must be \\2-grams:"),
        ("\\2-grams", "\\1.5-grams", r"line 9: section \\1.5-grams: must be"),
        ("\\2-grams", "\\1-grams", r"line 9: section \\1-grams: must be"),
        ("\\1-grams", "\\0-grams", r"line 4: section \\0-grams: must be \\1-grams:"),
        ("-0.1\tgo go\n", "", "is cut short: its header announces 1 2-grams, and it has 0"),
    ],
)
def test_case_f11_errors_of_an_arpa_file(old, new, message, tmp_path):
    text = (
        "\\data\\\nngram 1=3\nngram 2=1\n\\1-grams:\n-1\t<s>\t-0.3\n-0.5\t</s>\n-0.4\tgo\t-0.3\n\n"
        "\\2-grams:\n-0.1\tgo go\n\\end\\\n"
    )
    (tmp_path / "lm.arpa").write_text(text)
    assert load_language_model(tmp_path / "lm.arpa").order == 2
    (tmp_path / "lm.arpa").write_text(text.replace(old, new))
    with pytest.raises(DataError, match=message):
        load_language_model(tmp_path / "lm.arpa")


def test_case_f11_the_order_of_an_arpa_file_has_an_end(tmp_path):
    sections = [f"\\{n}-grams:\n" + ("-1\t</s>\n" if n == 1 else "") for n in range(1, 3000)]
    (tmp_path / "lm.arpa").write_text("".join(sections))
    with pytest.raises(DataError, match="grams of more than 20 tokens are not read"):
        load_language_model(tmp_path / "lm.arpa")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("hidden_size", 2**40, "hidden_size=1099511627776 is above the limit of"),
        ("n_layers", 2**19, "n_layers=524288 are more than its"),
        ("hidden_size", 9, "where its settings need"),
        ("tokens", 3, "cannot be read"),
        ("cell", [], "cannot be read"),
        ("dropout", "x", "cannot be read"),
        ("dropout", math.nan, "cannot be read"),
        ("n_layers", True, "cannot be read"),
    ],
)
def test_case_f15_a_language_model_that_is_described_wrongly(name, value, message, tmp_path):
    path, model = tmp_path / "lm.safetensors", recurrent()
    description = {"language_model": {**model.hyperparameters, name: value}}
    path.write_bytes(save(model.state_dict(), {"speech_rnn": json.dumps(description)}))
    with pytest.raises(ModelError, match=message):
        load_language_model(path)


def test_case_f15_a_language_model_with_nan_weights(tmp_path):
    model = recurrent()
    with torch.no_grad():
        model.output.bias[1] = math.inf
    model.save(tmp_path / "lm.safetensors")
    with pytest.raises(ModelError, match=r"output\.bias holds NaN or infinite values"):
        load_language_model(tmp_path / "lm.safetensors")


def test_files_of_other_kinds_are_reported(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        load_language_model(tmp_path / "missing.arpa")
    (tmp_path / "bad.arpa").write_text("\\data\\\nngram 1=1\n\n\\1-grams:\n-0.3\t</s>\nx\tgo\n")
    with pytest.raises(DataError, match=r"bad\.arpa', line 6"):
        load_language_model(tmp_path / "bad.arpa")
    (tmp_path / "no.arpa").write_text("left right\n")
    with pytest.raises(DataError, match="is not an ARPA file"):
        load_language_model(tmp_path / "no.arpa")
    (tmp_path / "cut.safetensors").write_bytes(b"1234")
    with pytest.raises(ModelError, match="cannot be read as a language model"):
        load_language_model(tmp_path / "cut.safetensors")
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(DataError, match="holds no sentence"):
        read_sentences(tmp_path / "empty.txt")
