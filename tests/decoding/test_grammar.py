import itertools
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn.decoding.grammar import Grammar
from speech_rnn.decoding.viterbi import GraphSearch
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.vocabulary import Vocabulary
from tests.decoding.test_beam import random_log_probs

WORDS = Vocabulary.of(["a", "b", "c"], "words")


def sentences(grammar, vocabulary, longest):
    """All token sequences of a grammar with at most `longest` tokens."""
    graph = grammar.compile(vocabulary)
    found, ends = set(), {((), 0)}
    for _ in range(longest + 1):
        found |= {tokens for tokens, state in ends if state in graph.finals}
        ends = {
            ((*tokens, arc.token), arc.target)
            for tokens, state in ends
            for arc in graph.arcs
            if arc.source == state
        }
    return found


def texts(grammar, vocabulary=WORDS, longest=3):
    return {
        " ".join(vocabulary.decode(tokens)) for tokens in sentences(grammar, vocabulary, longest)
    }


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("a", {"a"}),
        ("a b", {"a b"}),
        ("a | b c", {"a", "b c"}),
        ("[a] b", {"b", "a b"}),
        ("(a | b) c", {"a c", "b c"}),
        ("a*", {"", "a", "a a", "a a a"}),
        ("a+ b", {"a b", "a a b"}),
        ("[a] (b | c)+", None),
        ("a* b*", {"", "a", "b", "a a", "a b", "b b", "a a a", "a a b", "a b b", "b b b"}),
    ],
)
def test_signs_of_the_grammar(rule, expected):
    if expected is None:
        tails = [" ".join(t) for n in (1, 2, 3) for t in itertools.product("bc", repeat=n)]
        heads = [f"a {tail}" for tail in tails if len(tail) < 5]
        expected = {*tails, *heads}
    assert texts(Grammar(f"<r> = {rule};")) == expected


def test_rules_headers_and_comments():
    grammar = Grammar("""#JSGF V1.0;
        grammar steer; // robots
        <first> = a /* or
        nothing */ | b;
        public <all> = <first> <second>;
        <second> = c;
    """)
    assert texts(grammar) == {"a c", "b c"}


def test_the_first_rule_is_the_start_where_none_is_public():
    assert texts(Grammar("<x> = a <y>; <y> = b;")) == {"a b"}


def test_words_that_are_one_token_of_the_vocabulary():
    vocabulary = Vocabulary.of(["lights on", "lights", "stop"], "words")
    graph = Grammar("<x> = stop lights on | lights stop;").compile(vocabulary)
    assert len(graph.arcs) == 4
    assert texts(Grammar("<x> = stop lights on;"), vocabulary) == {"stop lights on"}


def test_characters_are_parted_by_spaces():
    vocabulary = Vocabulary.of(["go on"], "characters")
    found = sentences(Grammar("<x> = [go] on+;"), vocabulary, 8)
    spelled = {"".join(vocabulary.tokens[token] for token in tokens) for tokens in found}
    assert spelled == {"on", "on on", "on on on", "go on", "go on on"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1: the end, expected a rule"),
        ("<a> = x", "line 1, column 8: the end, expected ';'"),
        ("<a> = (x;", r"line 1, column 9: ';', expected '\)'"),
        ("<a> = [x);", r"line 1, column 9: '\)', expected '\]'"),
        ("<a> = x |;", r"line 1, column 10: ';', expected a word, a <rule>"),
        ("<a> = x;\n<b> y;", "line 2, column 5: 'y', expected '='"),
        ("<a> = x;\n  <a> = y;", "line 2, column 3: '<a>', expected a new name"),
        ("<a> = x\n  < y;", "line 2, column 3: '<', expected a word, a <rule> or one of"),
        ("<a> = *;", r"line 1, column 7: '\*', expected a word"),
        ("public <a> = x; public <b> = y;", "expected one public rule"),
        (
            "<a> = <digt>; <digit> = x;",
            "no rule is named <digt>; did you mean '<digit>'?",
        ),
        ("<a> = x <b>; <b> = y <a>;", "<a> holds <b> holds <a>; write repeats with"),
        ("<a> = " + 3000 * "(" + "x" + 3000 * ")" + ";", "column 57: .* at most 50 brackets"),
        (
            "".join(f"<{n}> = [<{n + 1}>];" for n in range(3000)) + "<3000> = x;",
            "<0> holds 1 words on 6000 levels",
        ),
        (
            "".join(f"<{n}> = <{n + 1}> <{n + 1}>;" for n in range(40)) + "<40> = x;",
            "1,099,511,627,776 words",
        ),
    ],
)
def test_errors_point_at_the_place(text, message):
    with pytest.raises(ConfigurationError, match=f"g.jsgf.*{message}"):
        Grammar(text, "g.jsgf")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "".join(f"<{n}> = <{n + 1}> <{n + 1}>;" for n in range(20_000)) + "<20000> = x;",
            "line 1, column 1: <0> holds over 1,000,000,000,000,000 words",
        ),
        (
            "".join(f"<{n}> = <{(n + 1) % 2000}>;\n" for n in range(2000)),
            "line [0-9]+, column 1: .* holds … holds <",
        ),
        ("x" * 1_000_001, "is longer than 1,000,000 characters"),
        ("#JSGF V1.0;\ngrammar" + 400_000 * " " + "x", "line 2, column 1: 'grammar', expected"),
    ],
)
def test_case_f08_f09_grammars_that_double_or_go_deep(text, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        Grammar(text, "g.jsgf")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("many", ["<q{n}>", "word{n}"])
def test_case_f08_of_thousands_of_wrong_names_the_first_are_reported(many):
    text = "<x> = " + " ".join(many.format(n=n) for n in range(5000)) + ";"
    with pytest.raises(ConfigurationError) as caught:
        Grammar(text).compile(WORDS)
    assert len(str(caught.value).splitlines()) == 20


def test_case_f08_repeats_inside_repeats_are_drawn_in_no_time():
    for sentence in Grammar("<x> = " + 45 * "(" + "a b" + 45 * ")+" + ";").sentences(20):
        assert 2 <= len(sentence.split()) < 200


def test_more_ways_than_memory_holds():
    with pytest.raises(ConfigurationError, match="over 50,000 ways from word to word"):
        Grammar("<a> = " + 3000 * "[a] " + ";").compile(WORDS)


def test_a_repeat_of_a_repeat_is_one():
    assert texts(Grammar("<x> = a+*;")) == texts(Grammar("<x> = a*;"))
    assert Grammar("<x> = a" + 3000 * "+" + ";").compile(WORDS).n_states == 2


def test_all_words_that_the_vocabulary_lacks_are_reported():
    vocabulary = Vocabulary.of(["left", "right"], "words")
    with pytest.raises(ConfigurationError) as caught:
        Grammar("<x> = lefd |\n right | rihgt;", "g").compile(vocabulary)
    first, second = str(caught.value).splitlines()
    assert "g, line 1, column 7: text='lefd'" in first
    assert "did you mean 'left'?" in first
    assert "g, line 2, column 10: text='rihgt'" in second
    assert "did you mean 'right'?" in second


def test_case_34_the_blank_is_no_word_to_choose():
    with pytest.raises(ConfigurationError) as caught:
        Grammar("<x> = 打开;").compile(Vocabulary.of(["left", "right"], "words"))
    assert "choose one of left, right" in str(caught.value)


def test_classes_have_no_sequences():
    with pytest.raises(ConfigurationError, match="needs a recogniser of sequences"):
        Grammar("<x> = yes;").compile(Vocabulary.of(["yes"]))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        Grammar.load(tmp_path / "none.jsgf")


RULES = st.recursive(
    st.sampled_from(["a", "b", "c"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]} | {pair[1]})"),
        st.tuples(inner, inner).map(" ".join),
        inner.map(lambda part: f"[{part}]"),
        inner.map(lambda part: f"({part})*"),
        inner.map(lambda part: f"({part})+"),
    ),
    max_leaves=5,
)


@settings(max_examples=150)
@given(RULES, st.integers(1, 6), st.integers(0, 10_000))
def test_it_equals_brute_force_and_stays_inside_the_grammar(rule, n_steps, seed):
    grammar = Grammar(f"<r> = {rule};")
    allowed = sentences(grammar, WORDS, n_steps)
    log_probs = random_log_probs(1, n_steps, 4, seed)[0]
    best = -np.inf
    for path in itertools.product(range(4), repeat=n_steps):
        if tuple(token for token, _ in groupby(path) if token) in allowed:
            best = max(best, sum(log_probs[step, token] for step, token in enumerate(path)))
    found = GraphSearch(grammar.compile(WORDS))(log_probs)
    if not found:
        assert best == -np.inf
        return
    ((spans, score),) = found
    assert score == pytest.approx(best)
    assert tuple(span.token for span in spans) in allowed
    edges = [edge for span in spans for edge in (span.start, span.stop)]
    assert edges == sorted(edges)
    outside = np.ones(n_steps, dtype=bool)
    for span in spans:
        assert 0 <= span.start < span.stop <= n_steps
        outside[span.start : span.stop] = False
    spoken = sum(log_probs[span.start : span.stop, span.token].sum() for span in spans)
    assert spoken + log_probs[outside, 0].sum() == pytest.approx(score)


@settings(max_examples=60)
@given(RULES, st.integers(1, 5), st.integers(1, 4), st.integers(0, 10_000))
def test_the_n_best_equal_brute_force(rule, n_steps, n_best, seed):
    grammar = Grammar(f"<r> = {rule};")
    allowed = sentences(grammar, WORDS, n_steps)
    log_probs = random_log_probs(1, n_steps, 4, seed)[0]
    best = {}
    for path in itertools.product(range(4), repeat=n_steps):
        tokens = tuple(token for token, _ in groupby(path) if token)
        if tokens in allowed:
            score = sum(log_probs[step, token] for step, token in enumerate(path))
            best[tokens] = max(best.get(tokens, -np.inf), score)
    expected = sorted(best.items(), key=lambda item: -item[1])[:n_best]
    search = GraphSearch(grammar.compile(WORDS))
    found = search._several(log_probs, n_best, 0.0)
    assert [score for _, score in found] == pytest.approx([score for _, score in expected])
    for spans, score in found:
        tokens = tuple(span.token for span in spans)
        assert best[tokens] == pytest.approx(score)
        silent = np.ones(n_steps, dtype=bool)
        for span in spans:
            silent[span.start : span.stop] = False
        spoken = sum(log_probs[span.start : span.stop, span.token].sum() for span in spans)
        assert spoken + log_probs[silent, 0].sum() == pytest.approx(score)


@settings(max_examples=60)
@given(RULES, st.integers(0, 100))
def test_sampled_sentences_are_in_the_grammar(rule, seed):
    grammar = Grammar(f"<r> = {rule};")
    allowed = sentences(grammar, WORDS, 6)
    for sentence in grammar.sentences(5, seed):
        tokens = tuple(WORDS.encode(sentence))
        assert len(tokens) > 6 or tokens in allowed


@settings(max_examples=60)
@given(RULES, st.integers(1, 5), st.floats(-3, 1), st.integers(0, 10_000))
def test_a_bonus_counts_once_a_token(rule, n_steps, bonus, seed):
    grammar = Grammar(f"<r> = {rule};")
    log_probs = random_log_probs(1, n_steps, 4, seed)[0]
    search = GraphSearch(grammar.compile(WORDS))
    everything = search(log_probs, 1000)
    found = search(log_probs, 1, bonus)
    several = search(log_probs, 2, bonus)
    assert bool(found) == bool(several) == bool(everything)
    if found:
        best = max(score + bonus * len(spans) for spans, score in everything)
        assert found[0][1] == pytest.approx(best)
        assert several[0][1] == pytest.approx(best)
