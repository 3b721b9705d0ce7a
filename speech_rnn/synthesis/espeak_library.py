"""espeak-ng in this process, through ctypes: text and voice become samples."""

from __future__ import annotations

import _ctypes
import ctypes
import os
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_rnn.errors import DataError, MissingExtraError

# Values from espeak-ng's speak_lib.h.
_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_UTF8 = 1
_IPA = 0x02
_PARTED = ord("_") << 8
_RATE, _PITCH, _RANGE = 1, 3, 4
_NOISE_SEED = 1

_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)
_lock = threading.Lock()


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


class Espeak:
    """The espeak-ng library of the ``espeakng-loader`` wheel.

    A clip depends on its parameters only. espeak-ng keeps the phase of its pitch flutter and the
    state of its formant filters in static variables, which neither a new voice nor
    ``espeak_Terminate`` resets, so that each clip would depend on all clips before it. `speak`
    therefore loads the library anew (0.5 ms).

    Attributes
    ----------
    version : version of espeak-ng, such as ``1.52.0``.
    sample_rate : sample rate of its speech, in Hz.
    accents : language codes, such as ``en-us``, with the voice file of each.
    variants : names of the voices that can speak with any accent, such as ``f3``.

    Raises
    ------
    MissingExtraError
        if ``espeakng_loader`` is not installed.
    DataError
        if espeak-ng does not start.
    """

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError as error:
            raise MissingExtraError("espeakng_loader", "synth") from error
        self._library = espeakng_loader.get_library_path()
        self._data = str(espeakng_loader.get_data_path())
        self._chunks: list[bytes] = []
        self._callback = _Callback(self._receive)
        with _lock:
            library = self._load()
            try:
                self.version = library.espeak_Info(None).decode()
                self.accents = {
                    # One byte, the priority, precedes each language code.
                    voice.languages[1:].decode(): voice.identifier.decode()
                    for voice in _voices(library, None)
                }
                self.variants = tuple(
                    voice.identifier.decode().rpartition("/")[2]
                    for voice in _voices(library, _Voice(languages=b"variant"))
                )
            finally:
                _unload(library)

    def speak(
        self,
        text: str,
        *,
        accent: str = "en-us",
        variant: str = "",
        rate_wpm: int = 175,
        pitch: int = 50,
        pitch_range: int = 50,
    ) -> NDArray[np.int16]:
        """Return the speech of a text.

        Parameters
        ----------
        text : words in the language of the accent.
        accent, variant : one of `accents`, one of `variants`; an empty variant is the plain voice.
        rate_wpm : words per minute, 80 to 450.
        pitch, pitch_range : 0 to 99, relative to the variant's own.

        Returns
        -------
        (N,) samples at `sample_rate`.

        Raises
        ------
        DataError
            if espeak-ng has no such voice, or the text is silent.
        """
        spoken = text.encode()
        with self._with_voice(accent, variant) as library:
            for parameter, value in ((_RATE, rate_wpm), (_PITCH, pitch), (_RANGE, pitch_range)):
                library.espeak_SetParameter(parameter, value, 0)
            library.espeak_ng_SetRandSeed(ctypes.c_long(_NOISE_SEED))
            self._chunks.clear()
            library.espeak_Synth(spoken, len(spoken) + 1, 0, 0, 0, _UTF8, None, None)
            clip = np.frombuffer(b"".join(self._chunks), dtype=np.int16)
        if not clip.any():
            raise DataError(f"text={text!r}: espeak-ng speaks nothing; give a word with letters")
        return clip

    def phonemes(self, texts: Sequence[str], *, accent: str = "en-us") -> list[tuple[str, ...]]:
        """Return the phonemes of texts, each in the International Phonetic Alphabet.

        Stress and length marks are left out.

        Raises
        ------
        DataError
            if espeak-ng has no such accent.
        """
        with self._with_voice(accent) as library:
            parted = [_phonemes(library, text, _IPA | _PARTED) for text in texts]
        sounds = (re.split(r"[_\s]+", each) for each in parted)
        return [
            tuple(sound for each in row if (sound := each.strip("ˈˌ").replace("ː", "")))
            for row in sounds
        ]

    def notation(self, texts: Sequence[str], *, accent: str = "en-us") -> list[str]:
        """Return the phonemes of texts in espeak-ng's own names, with stress.

        Raises
        ------
        DataError
            if espeak-ng has no such accent.
        """
        with self._with_voice(accent) as library:
            return [" ".join(_phonemes(library, text, _PARTED).split()) for text in texts]

    @contextmanager
    def _with_voice(self, accent: str, variant: str = "") -> Iterator[ctypes.CDLL]:
        """Load the library, select a voice, and unload the library at the end."""
        voice = f"{self.accents.get(accent, accent)}{'+' if variant else ''}{variant}"
        with _lock:
            library = self._load()
            try:
                # For an unknown variant, espeak-ng silently uses the plain voice.
                known = not variant or variant in self.variants
                if not known or library.espeak_SetVoiceByName(voice.encode()):
                    raise DataError(f"voice={voice!r} is not a voice of espeak-ng {self.version}")
                yield library
            finally:
                _unload(library)

    def _receive(self, samples: Any, count: int, events: int | None) -> int:
        if samples and count > 0:
            self._chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    def _load(self) -> ctypes.CDLL:
        try:
            library = ctypes.CDLL(self._library)
        except OSError as error:
            raise DataError(f"library={self._library!r} cannot be loaded: {error}") from error
        library.espeak_Info.restype = ctypes.c_char_p
        library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        self.sample_rate = library.espeak_Initialize(
            _SYNCHRONOUS, 0, os.fsencode(self._data), _DONT_EXIT
        )
        if self.sample_rate <= 0:
            _unload(library)
            raise DataError(
                f"data={self._data!r} cannot be read by espeak-ng, which takes no path longer than "
                "about 150 characters: reinstall espeakng-loader in a shorter one"
            )
        library.espeak_SetSynthCallback(self._callback)
        return library


def _phonemes(library: ctypes.CDLL, text: str, mode: int) -> str:
    """Return the phonemes of a text, clause by clause; each call moves the pointer past one."""
    spoken = ctypes.create_string_buffer(text.encode())
    rest = ctypes.c_void_p(ctypes.addressof(spoken))
    clauses = []
    while rest.value:
        clauses.append(library.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, mode) or b"")
    return b" ".join(clauses).decode()


def _voices(library: ctypes.CDLL, kind: _Voice | None) -> list[_Voice]:
    listed = library.espeak_ListVoices(ctypes.byref(kind) if kind else None)
    voices: list[_Voice] = []
    while listed[len(voices)]:
        voices.append(listed[len(voices)].contents)
    return voices


def _unload(library: ctypes.CDLL) -> None:
    library.espeak_Terminate()
    if sys.platform == "win32":
        _ctypes.FreeLibrary(library._handle)
    else:
        _ctypes.dlclose(library._handle)
