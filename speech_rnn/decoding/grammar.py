"""A small grammar of allowed sentences: its parser, and its conversion to a graph of words.

The notation is a part of the Java Speech Grammar Format (JSGF, W3C note of 2000)::

    // how to steer
    public <command> = <turn> | stop | go <digit>+;
    <turn> = [please] turn (left | right);
    <digit> = one | two | three;

``|`` separates alternatives, ``[ ]`` encloses optional parts, ``( )`` groups, ``*`` repeats any
number of times, ``+`` at least once, ``//`` and ``/* */`` are comments. A sentence is anything that
the public rule spells, or the first rule if none is public.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import NamedTuple

from speech_rnn.errors import ConfigurationError, DataError, did_you_mean
from speech_rnn.vocabulary import Vocabulary

_TOKEN = re.compile(
    r"(?P<skip>\s+|//[^\n]*|/\*.*?\*/)"
    r"|(?P<rule><[^<>\s;|()\[\]*+=]+>)"
    r"|(?P<mark>[;|()\[\]*+=])"
    r"|(?P<word>[^\s;|()\[\]*+=<>/]+)",
    re.DOTALL,
)
_HEADER = re.compile(r"\ufeff?\s*#JSGF[^;]*;")
_NAME = re.compile(r"\s*grammar\s[^;=|]+;")
_END = "the end"

MOST_CHARACTERS = 1_000_000
MOST_NESTED = 50
MOST_LEVELS = 200
"""Deepest nesting of brackets and rules that Python's stack can hold."""
MOST_WORDS = 20_000
MOST_ARCS = 50_000
"""More arcs would take gigabytes: n optional words in a row have n² / 2 arcs."""
MOST_DRAWN = 100
"""Length of a drawn sentence after which nothing is repeated: nested repeats grow exponentially."""
MOST_NAMED = 20
"""Number of wrong names that one message lists."""


class Arc(NamedTuple):
    """A token that leads from one state to another."""

    source: int
    token: int
    target: int


class Graph(NamedTuple):
    """An automaton without empty arcs: token sequences from state 0 to one of `finals`."""

    n_states: int
    arcs: tuple[Arc, ...]
    finals: frozenset[int]


class _Piece(NamedTuple):
    kind: str
    text: str
    place: int


class _Node(NamedTuple):
    """A part of a rule: a word or rule name with its position in the text, or several parts."""

    kind: str  # word, rule, sequence, alternatives, optional, star, plus
    parts: tuple[_Node, ...] = ()
    text: str = ""
    place: int = 0


@dataclass(frozen=True)
class Grammar:
    """Sentences that are allowed.

    Parameters
    ----------
    text : grammar in JSGF.
    name : name of the text in messages, such as its file.

    Raises
    ------
    ConfigurationError
        if the text is not a grammar (the error gives line, column and what was expected), if rules
        do not exist (the first 20 are listed) or contain themselves, and if the grammar is too
        large.
    """

    text: str
    name: str = "grammar"

    def __post_init__(self) -> None:
        _Reader(self.text, self.name)

    @classmethod
    def load(cls, path: str | Path) -> Grammar:
        """Read a grammar from a UTF-8 file.

        Parameters
        ----------
        path : file of a grammar in JSGF.

        Raises
        ------
        DataError
            if the file cannot be read.
        """
        try:
            with Path(path).open(encoding="utf-8") as file:
                return cls(file.read(MOST_CHARACTERS + 1), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"grammar={str(path)!r} cannot be read: {error}") from error

    def sentences(self, number: int, seed: int = 0) -> list[str]:
        """Draw random sentences.

        Alternatives are equally probable; an option, and each further repeat, has a probability
        of 0.5.
        """
        reader = _Reader(self.text, self.name)
        random = Random(seed)
        n_drawn = 0

        def words(node: _Node) -> Iterator[str]:
            nonlocal n_drawn
            if node.kind == "word":
                n_drawn += 1
                yield node.text
            elif node.kind == "rule":
                yield from words(reader.rules[node.text])
            elif node.kind == "alternatives":
                yield from words(node.parts[int(random.random() * len(node.parts))])
            elif node.kind == "sequence":
                for part in node.parts:
                    yield from words(part)
            elif node.kind == "plus" or random.random() < 0.5:
                yield from words(node.parts[0])
                while (
                    node.kind in ("star", "plus") and random.random() < 0.5 and n_drawn < MOST_DRAWN
                ):
                    yield from words(node.parts[0])

        sentences = []
        for _ in range(number):
            n_drawn = 0
            sentences.append(" ".join(words(reader.rules[reader.start])))
        return sentences

    def compile(self, vocabulary: Vocabulary) -> Graph:
        """Return the graph of all sentences in the tokens of a vocabulary.

        Raises
        ------
        ConfigurationError
            if the vocabulary consists of classes, or lacks words: the first 20 are listed, each
            with its position and the nearest word.
        """
        if vocabulary.head != "ctc":
            raise ConfigurationError(
                f"{self.name}: a grammar needs a recogniser of sequences, and this one gives "
                "one answer for each clip; train with vocabulary=words"
            )
        reader = _Reader(self.text, self.name)
        return _Builder(reader, vocabulary).graph()


class _Reader:
    """Parses the rules of a text by recursive descent."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name
        if len(text) > MOST_CHARACTERS:
            raise ConfigurationError(
                f"{name}: is longer than {MOST_CHARACTERS:,} characters; make the grammar shorter"
            )
        self.pieces = list(self._split())
        self.at = self.n_open = 0
        self.rules: dict[str, _Node] = {}
        self.places: dict[str, int] = {}
        self.start, self.has_public = "", False
        while self._peek().kind != "end":
            self._rule()
        if not self.rules:
            raise self._wrong(self._peek(), "a rule such as <command> = left | right;")
        self._check()

    def where(self, place: int) -> str:
        """Return a position in the text as file, line and column, counted from 1."""
        line = self.text.count("\n", 0, place) + 1
        column = place - self.text.rfind("\n", 0, place)
        return f"{self.name}, line {line}, column {column}"

    def _split(self) -> Iterator[_Piece]:
        place = 0
        for header in (_HEADER, _NAME):
            if match := header.match(self.text, place):
                place = match.end()
        while place < len(self.text):
            match = _TOKEN.match(self.text, place)
            if match is None:
                piece = _Piece("mark", self.text[place], place)
                raise self._wrong(piece, "a word, a <rule> or one of ; | ( ) [ ] * +")
            if match.lastgroup != "skip":
                yield _Piece(str(match.lastgroup), match.group(), place)
            place = match.end()
        yield _Piece("end", _END, len(self.text))

    def _peek(self) -> _Piece:
        return self.pieces[self.at]

    def _next(self) -> _Piece:
        self.at += 1
        return self.pieces[self.at - 1]

    def _expect(self, mark: str, instead: str = "") -> None:
        if self._peek().text != mark or self._peek().kind != "mark":
            raise self._wrong(self._peek(), instead or repr(mark))
        self._next()

    def _wrong(self, piece: _Piece, expected: str) -> ConfigurationError:
        found = piece.text if piece.kind == "end" else repr(piece.text)
        return ConfigurationError(f"{self.where(piece.place)}: {found}, expected {expected}")

    def _rule(self) -> None:
        is_public = self._peek().text == "public"
        if is_public:
            if self.has_public:
                raise self._wrong(self._peek(), "one public rule: there is one already")
            self._next()
        name = self._next()
        if name.kind != "rule":
            raise self._wrong(name, "a rule such as <command> = left | right;")
        if name.text in self.rules:
            raise self._wrong(name, "a new name: this rule is there already")
        self._expect("=")
        self.places[name.text] = name.place
        self.rules[name.text] = self._alternatives()
        self._expect(";", "';', '|', a word or a <rule>")
        if is_public or not self.start:
            self.start = name.text
        self.has_public |= is_public

    def _alternatives(self) -> _Node:
        choices = [self._sequence()]
        while self._peek().text == "|":
            self._next()
            choices.append(self._sequence())
        return choices[0] if len(choices) == 1 else _Node("alternatives", tuple(choices))

    def _sequence(self) -> _Node:
        parts = [self._repeated()]
        while self._peek().kind in ("word", "rule") or self._peek().text in ("(", "["):
            parts.append(self._repeated())
        return parts[0] if len(parts) == 1 else _Node("sequence", tuple(parts))

    def _repeated(self) -> _Node:
        node, marks = self._single(), set()
        while self._peek().text in ("*", "+"):
            marks.add(self._next().text)
        return _Node("star" if "*" in marks else "plus", (node,)) if marks else node

    def _single(self) -> _Node:
        piece = self._next()
        if piece.kind in ("word", "rule"):
            return _Node(piece.kind, text=piece.text, place=piece.place)
        if piece.text in ("(", "["):
            if self.n_open == MOST_NESTED:
                raise self._wrong(piece, f"at most {MOST_NESTED} brackets inside each other")
            self.n_open += 1
            inner = self._alternatives()
            self._expect(")" if piece.text == "(" else "]")
            self.n_open -= 1
            return inner if piece.text == "(" else _Node("optional", (inner,))
        raise self._wrong(piece, "a word, a <rule>, '(' or '['")

    def _check(self) -> None:
        """Raise for rules that do not exist, contain themselves, or spell too much."""
        wrong = []
        for node in (node for rule in self.rules.values() for node in _walk(rule)):
            if node.kind == "rule" and node.text not in self.rules:
                hint = did_you_mean(node.text, self.rules)
                wrong.append(f"{self.where(node.place)}: no rule is named {node.text}{hint}")
            if len(wrong) == MOST_NAMED:
                break
        if wrong:
            raise ConfigurationError("\n".join(wrong))
        held = {
            name: [node.text for node in _walk(rule) if node.kind == "rule"]
            for name, rule in self.rules.items()
        }
        sizes: dict[str, _Size] = {}
        try:
            for name in TopologicalSorter(held).static_order():  # a rule's parts before the rule
                sizes[name] = _size(self.rules[name], sizes)
        except CycleError as error:
            names = [*reversed(error.args[1])]
            shown = names if len(names) <= MOST_NAMED else [*names[:MOST_NAMED], "…", names[0]]
            raise ConfigurationError(
                f"{self.where(self.places[names[0]])}: {' holds '.join(shown)}; write repeats "
                "with * or +"
            ) from error
        levels, n_words = sizes[self.start]
        if levels > MOST_LEVELS or n_words > MOST_WORDS:
            raise ConfigurationError(
                f"{self.where(self.places[self.start])}: {self.start} holds {_most(n_words)} words "
                f"on {levels} levels once each <rule> in it is written out; at most "
                f"{MOST_WORDS:,} on {MOST_LEVELS} are allowed"
            )


UNCOUNTED = 10**15
"""Words of a rule are counted up to here; the number may double with each rule."""


class _Size(NamedTuple):
    """Depth and number of words of a part, with its rules expanded."""

    levels: int
    n_words: int


def _size(node: _Node, rules: dict[str, _Size]) -> _Size:
    if node.kind == "word":
        return _Size(0, 1)
    parts = [rules[node.text]] if node.kind == "rule" else [_size(p, rules) for p in node.parts]
    n_words = min(sum(p.n_words for p in parts), UNCOUNTED)
    return _Size(1 + max(p.levels for p in parts), n_words)


def _most(n_words: int) -> str:
    return f"over {UNCOUNTED:,}" if n_words == UNCOUNTED else f"{n_words:,}"


def _walk(node: _Node) -> Iterator[_Node]:
    yield node
    for part in node.parts:
        yield from _walk(part)


class _Builder:
    """Thompson's construction over words, then the same over tokens, without empty arcs."""

    def __init__(self, reader: _Reader, vocabulary: Vocabulary) -> None:
        self.reader, self.vocabulary = reader, vocabulary
        self.empty: list[list[int]] = []
        self.spoken: list[list[tuple[tuple[int, ...], int]]] = []
        self.lacking: dict[str, str] = {}

    def graph(self) -> Graph:
        start = self._state()
        final = self._add(self.reader.rules[self.reader.start], start)
        if self.lacking:
            raise ConfigurationError("\n".join(self.lacking.values()))
        # Words of characters are separated by a space, except before the first one.
        space = (self.vocabulary.tokens.index(" "),) if self._has_spaces() else ()
        numbers: defaultdict[Hashable, int] = defaultdict(count().__next__)
        numbers["begin"]  # is state 0
        arcs: set[Arc] = set()
        leaving: list[tuple[Hashable, int, tuple[int, ...]]] = [("begin", start, ())]
        for key, state, lead in leaving:  # grows with each new target
            for middle in self._closure(state):
                for place, (tokens, target) in enumerate(self.spoken[middle]):
                    path = (*lead, *tokens)
                    inner = [numbers[key, middle, place, step] for step in range(1, len(path))]
                    if target not in numbers:
                        leaving.append((target, target, space))
                    stops = [numbers[key], *inner, numbers[target]]
                    arcs.update(map(Arc, stops, path, stops[1:]))
                    if len(arcs) > MOST_ARCS:
                        raise ConfigurationError(
                            f"{self.reader.name}: there are over {MOST_ARCS:,} ways from word to "
                            "word; leave out optional or repeated parts that follow each other"
                        )
        finals = (numbers[key] for key, state, _ in leaving if final in self._closure(state))
        return Graph(len(numbers), tuple(sorted(arcs)), frozenset(finals))

    def _has_spaces(self) -> bool:
        return self.vocabulary.unit == "characters" and " " in self.vocabulary.tokens

    def _state(self) -> int:
        self.empty.append([])
        self.spoken.append([])
        return len(self.empty) - 1

    def _add(self, node: _Node, start: int) -> int:
        """Add a part that begins in state `start`, and return the state in which it ends."""
        if node.kind == "rule":
            return self._add(self.reader.rules[node.text], start)
        if node.kind == "word":
            return self._add_words([node], start)
        if node.kind == "sequence":
            for words in _runs(node.parts):
                if words[0].kind == "word":
                    start = self._add_words(words, start)
                else:
                    start = self._add(words[0], start)
            return start
        end = self._state()
        if node.kind == "alternatives":
            for part in node.parts:
                self.empty[self._add(part, start)].append(end)
            return end
        inner = self._state()  # a separate loop: earlier parts must not be repeated
        self.empty[start].append(inner)
        after = self._add(node.parts[0], inner)
        self.empty[after].append(end)
        if node.kind in ("star", "plus"):
            self.empty[after].append(inner)
        if node.kind in ("star", "optional"):
            self.empty[start].append(end)
        return end

    def _add_words(self, words: Sequence[_Node], start: int) -> int:
        """Add consecutive words; several of them may be one token of the vocabulary."""
        texts = [word.text for word in words]
        if self.vocabulary.unit == "words":
            texts = self.vocabulary.split(texts)
        places = iter(word.place for word in words)
        for text in texts:
            first, *_ = islice(places, len(text.split()))
            try:
                tokens = tuple(self.vocabulary.encode(text))
            except DataError as error:
                place = self.reader.where(first)
                self.lacking.setdefault(text, f"{place}: {error}")
                if len(self.lacking) == MOST_NAMED:
                    raise ConfigurationError("\n".join(self.lacking.values())) from error
                tokens = (0,)
            end = self._state()
            self.spoken[start].append((tokens, end))
            start = end
        return start

    def _closure(self, state: int) -> tuple[int, ...]:
        """Return the states that can be reached from a state without a word."""
        found = {state}
        pending = [state]
        while pending:
            for target in self.empty[pending.pop()]:
                if target not in found:
                    found.add(target)
                    pending.append(target)
        return tuple(sorted(found))


def _runs(parts: Sequence[_Node]) -> list[list[_Node]]:
    """Split a sequence into runs of words, and single other parts."""
    runs: list[list[_Node]] = []
    for part in parts:
        if runs and part.kind == "word" and runs[-1][0].kind == "word":
            runs[-1].append(part)
        else:
            runs.append([part])
    return runs
