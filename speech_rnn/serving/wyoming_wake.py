"""Wyoming's wake words: each word is reported as it is spoken, with its score."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

import numpy as np
from numpy.typing import NDArray
from wyoming.event import Event
from wyoming.info import Info
from wyoming.wake import Detect, Detection, NotDetected

from speech_rnn.decoding.hypothesis import Word
from speech_rnn.serving.live import LiveStream
from speech_rnn.serving.refusals import BAD_REQUEST, RefusalError
from speech_rnn.serving.wyoming_info import wake_info, wanted_words
from speech_rnn.serving.wyoming_link import Link
from speech_rnn.serving.wyoming_sound import WyomingSound


class WakeLink(Link):
    """The connection of a client that waits for words."""

    protocol = "wake"
    _names: list[str] | None = None
    _streams: list[tuple[LiveStream, dict[str, str]]]

    def info(self) -> Info:
        """Return the words."""
        return wake_info(self.service.shelf.models, self.languages)

    def request(self, event: Event) -> None:
        """Take a request to detect words."""
        if Detect.is_type(event.type):
            names = Detect.from_event(event).names
            if names is not None and not isinstance(names, list):
                raise RefusalError(BAD_REQUEST, "names must be a list")
            wanted_words(self.service.shelf.models, names)  # an unknown word is refused at once
            self._names = names

    def begin(self, sound: WyomingSound) -> None:
        """Begin a stream of each recogniser that has one of the words."""
        wanted = wanted_words(self.service.shelf.models, self._names)
        self.place.enter_context(self.service.place(self.protocol, len(wanted)))
        self._streams = [
            (self.service.stream(model, sound.sample_rate, self.protocol), names)
            for model, names in wanted
        ]

    async def hear(self, sound: WyomingSound, samples: NDArray[np.float32]) -> None:
        """Report the words that samples, (n,), decide."""
        await self._tell(sound, [stream.push(samples) for stream, _ in self._streams])

    async def answer(self, sound: WyomingSound) -> None:
        """Report the words that were under way, or that there was none."""
        await self._tell(sound, [stream.finish() for stream, _ in self._streams])
        if not self._has_found:
            await self.send(NotDetected())
        self.release()

    async def _tell(self, sound: WyomingSound, working: Sequence[Awaitable[list[Word]]]) -> None:
        """Send the words that the streams found, in their order."""
        found = await asyncio.gather(*working)
        for words, (_, names) in zip(found, self._streams, strict=True):
            for word in words:
                if word.word in names:
                    self._has_found = True
                    await self.send(_detection(names[word.word], word, sound.begin))

    def release(self) -> None:
        """End the streams as well."""
        super().release()
        self._streams = []
        self._has_found = False


def _detection(name: str, word: Word, begin: int) -> Detection:
    score = {
        "score": round(word.confidence, 4),
        "start": round(word.start, 4),
        "end": round(word.end, 4),
    }
    return Detection(name=name, timestamp=begin + round(1000 * word.end), context=score)
