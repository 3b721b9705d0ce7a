"""Languages: the voices of espeak-ng that speak each, and the script of each."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from speech_rnn.errors import ConfigurationError, did_you_mean

ENGLISH = (
    "en-us",
    "en-gb",
    "en-029",  # Caribbean
    "en-gb-scotland",
    "en-gb-x-gbclan",  # Lancaster
    "en-gb-x-gbcwmd",  # West Midlands
    "en-gb-x-rp",  # received pronunciation
    "en-us-nyc",
)
CODES = {"zh": "cmn", "no": "nb", "iw": "he"}
"""Common language codes, and espeak-ng's codes for the same languages."""
LEFT_OUT = ("cmn-latn-pinyin", "fa-latn", "en-shaw")
"""Voices that read a script which is not the language's usual one."""

# The scripts of languages that are not written in Latin letters, as in Unicode character names.
SCRIPTS = {
    **dict.fromkeys(
        ("ba", "be", "bg", "cv", "kk", "ky", "mk", "nog", "ru", "tt", "uk"), "CYRILLIC"
    ),
    **dict.fromkeys(("el", "grc"), "GREEK"),
    **dict.fromkeys(("ar", "fa", "sd", "ug", "ur"), "ARABIC"),
    **dict.fromkeys(("hi", "kok", "mr", "ne"), "DEVANAGARI"),
    **dict.fromkeys(("as", "bn", "bpy"), "BENGALI"),
    **dict.fromkeys(("am", "ti"), "ETHIOPIC"),
    **dict.fromkeys(("my", "shn"), "MYANMAR"),
    **dict.fromkeys(("hy", "hyw"), "ARMENIAN"),
    **dict.fromkeys(("cmn", "yue", "hak"), "CJK"),
    **{"he": "HEBREW", "gu": "GUJARATI", "pa": "GURMUKHI", "ta": "TAMIL", "te": "TELUGU"},
    **{"kn": "KANNADA", "ml": "MALAYALAM", "si": "SINHALA", "or": "ORIYA", "th": "THAI"},
    **{"ka": "GEORGIAN", "ko": "HANGUL", "ja": "HIRAGANA"},
}
ALSO = {"ja": ("KATAKANA", "CJK", "KATAKANA-HIRAGANA"), "sr": ("CYRILLIC",), "bs": ("CYRILLIC",)}
"""Additional scripts of a language."""
EXAMPLES = {"CJK": "zh", "KATAKANA": "ja", "CYRILLIC": "ru", "ARABIC": "ar", "DEVANAGARI": "hi"}
"""The language that an error suggests for a script which several languages share."""
LATIN = "LATIN"


def accents_of(language: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return espeak-ng's accents of a language.

    Parameters
    ----------
    language : such as ``de``; a code with a region, such as ``fr-be``, is a single accent.
    known : all accents of espeak-ng.

    Raises
    ------
    ConfigurationError
        if espeak-ng does not speak the language.
    """
    known = sorted(set(known) - set(LEFT_OUT))
    if language == "en":
        return ENGLISH
    code = CODES.get(language, language)
    if "-" in code and code in known:
        return (code,)
    if found := tuple(each for each in known if each == code or each.startswith(f"{code}-")):
        return found
    spoken = dict.fromkeys(base_of(each) for each in known)
    raise ConfigurationError(
        f"language={language!r} is not a language of espeak-ng{did_you_mean(str(language), spoken)}"
    )


def base_of(accent: str) -> str:
    """Return the language of an accent: ``en`` for ``en-us``."""
    return accent.partition("-")[0]


def unreadable(words: Sequence[str], accent: str) -> list[str]:
    """Return a message for each word in letters that the voices of an accent cannot read.

    All voices read Latin letters: espeak-ng speaks them in English if they are foreign.
    """
    language = base_of(accent)
    own = (SCRIPTS.get(language, LATIN), *ALSO.get(language, ()), LATIN)
    messages = []
    for word in words:
        if foreign := sorted(_scripts(word) - set(own)):
            speaks = EXAMPLES.get(foreign[0]) or next(
                (each for each, script in SCRIPTS.items() if script == foreign[0]), None
            )
            hint = f"; set language={speaks}" if speaks else ""
            messages.append(
                f"{word!r} is in {_script_name(foreign[0])} letters, which no voice of {accent} "
                f"reads{hint}"
            )
    return messages


def _script_name(script: str) -> str:
    return "Chinese" if script == "CJK" else script.capitalize()


def foreign_letters(words: Sequence[str], accent: str) -> str | None:
    """Return a note on words that would be spoken in another language than their own, or None.

    These are words in Latin letters if the language uses another script, and words with letters
    beyond a to z in English.
    """
    language = base_of(accent)
    if language == "en":
        foreign = [word for word in words if any(letter >= "À" for letter in word.casefold())]
        why, way = "have letters that English does not have", "set language=de for German"
    elif SCRIPTS.get(language, LATIN) != LATIN:
        foreign = [word for word in words if LATIN in _scripts(word)]
        why, way = "are in Latin letters", f"write them in those of language={language}"
    else:
        return None
    if not foreign:
        return None
    shown = ", ".join(foreign[:10]) + (", …" if len(foreign) > 10 else "")
    return f"words that {why} are spoken in English: {shown}; {way}, and so on"


def _scripts(word: str) -> set[str]:
    """Return the scripts of the letters of a word, as in Unicode character names."""
    return {
        unicodedata.name(letter, "UNKNOWN ").split()[0]
        for letter in word
        if unicodedata.category(letter).startswith("L") and letter not in "ªº"
    }
