"""Wyoming's speech to text: a command is answered when its sound has ended."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from wyoming.asr import Transcribe, Transcript
from wyoming.event import Event
from wyoming.info import Info

from speech_rnn.serving.refusals import TOO_LARGE, RefusalError
from speech_rnn.serving.wyoming_info import asr_info
from speech_rnn.serving.wyoming_link import Link
from speech_rnn.serving.wyoming_sound import WyomingSound

FLOAT_BYTES = 4


class AsrLink(Link):
    """The connection of a client that sends commands."""

    protocol = "asr"
    _request = Transcribe()
    _samples: list[NDArray[np.float32]]

    def info(self) -> Info:
        """Return the recognisers."""
        return asr_info(self.service.shelf.models, self.languages)

    def request(self, event: Event) -> None:
        """Take a request to transcribe."""
        if Transcribe.is_type(event.type):
            request = Transcribe.from_event(event)
            self.service.shelf.find(request.name)  # an unknown name is refused at once
            self._request = request

    def begin(self, sound: WyomingSound) -> None:
        """Take the place of a recording."""
        self.place.enter_context(self.service.recording())

    async def hear(self, sound: WyomingSound, samples: NDArray[np.float32]) -> None:
        """Keep samples, (n,), within the bounds."""
        self._n_samples += len(samples)
        self._samples.append(samples)
        most = self.service.limits.seconds
        if self._n_samples > most * sound.sample_rate:
            raise RefusalError(TOO_LARGE, f"the command is longer than {most:g} s")
        if self._n_samples * FLOAT_BYTES > 2 * self.service.limits.request_bytes:
            raise RefusalError(TOO_LARGE, "the command is too large; send it at 16 kHz")

    async def answer(self, sound: WyomingSound) -> None:
        """Answer; a command that is rejected, or empty, has an empty text."""
        waveform = np.concatenate([np.zeros(0, np.float32), *self._samples])
        text, context = "", None
        if len(waveform):
            recognizer = self.service.shelf.find(self._request.name).recognizer
            work = partial(recognizer.transcribe, waveform, sound.sample_rate)
            hypothesis = await self.service.aside(work)
            text, context = hypothesis.text, {"confidence": round(hypothesis.confidence, 4)}
            seconds = len(waveform) / sound.sample_rate
            self.service.metrics.sound.labels(self.protocol).inc(seconds)
        self.release()
        await self.send(Transcript(text=text, language=self._request.language, context=context))

    def release(self) -> None:
        """Forget the samples as well."""
        super().release()
        self._samples, self._n_samples = [], 0
