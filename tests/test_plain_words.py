"""Help texts, errors and warnings can be read alone; see CONTRIBUTING.md, “Write it”."""

import pytest

from tests.plain_words import (
    dangling_parameters,
    dialect_of_pages,
    messages,
    unclear,
    unclear_messages,
)
from tests.plain_words import help_texts as texts_of_helps

DANGLING_PARAMETERS = 0
"""Lines of parameters that are still to be rewritten: this number may only fall."""


def test_no_help_begins_with_a_dangling_word():
    texts = list(texts_of_helps())
    assert len(texts) > 150
    assert unclear(texts) == []


def test_no_error_or_warning_begins_with_a_dangling_word():
    assert unclear_messages() == []


def test_parameter_lines_that_begin_with_a_dangling_word_become_fewer():
    assert len(dangling_parameters()) <= DANGLING_PARAMETERS


def test_no_page_is_in_dialect():
    assert dialect_of_pages() == []


@pytest.mark.parametrize(
    "text", ["Of its scores.", "What is shorter is no word.", "Words, as they are heard."]
)
def test_an_unclear_text_is_found(text):
    assert unclear([text, "Weight of the scores."]) == [text]


def test_every_message_of_a_file_is_read(tmp_path):
    file = tmp_path / "code.py"
    file.write_text("raise ValueError(f'a={b} is wrong')\nlog.warning('of %s', c)\nprint('d')\n")
    assert list(messages(file)) == ["a=… is wrong", "of %s", "d"]
