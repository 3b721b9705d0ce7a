"""Wyoming's speech to text: a command is answered when its sound has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

import numpy as np
from numpy.typing import NDArray
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.info import Info

from speech_rnn.serving.refusals import TOO_LARGE, RefusalError
from speech_rnn.serving.service import Service
from speech_rnn.serving.wyoming_info import asr_info
from speech_rnn.serving.wyoming_link import Link
from speech_rnn.serving.wyoming_sound import WyomingSound

FLOAT_BYTES = 4


class AsrLink(Link):
    """The connection of a client that sends commands.

    Parameters
    ----------
    reader, writer : the connection.
    service : the state that all protocols share.
    languages : the languages of the recognisers.
    """

    protocol = "asr"

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        service: Service,
        languages: Sequence[str],
    ) -> None:
        super().__init__(reader, writer, service, languages)
        self._request = Transcribe()
        self._place = ExitStack()
        self._sound: WyomingSound | None = None
        self._samples: list[NDArray[np.float32]] = []
        self._n_samples = 0

    def info(self) -> Info:
        """Return the recognisers."""
        return asr_info(self.service.shelf.models, self.languages)

    async def handle_event(self, event: Event) -> bool:
        """Take a request or sound; other events are dropped, as the protocol has it."""
        if Transcribe.is_type(event.type):
            request = Transcribe.from_event(event)
            self.service.shelf.find(request.name)  # an unknown one is told at once
            self._request = request
        elif AudioStart.is_type(event.type):
            self._begin(event)
        elif AudioChunk.is_type(event.type):
            sound = self._sound or self._begin(event)
            self._keep(sound, sound.push(event))
        elif AudioStop.is_type(event.type):
            await self.end()
        return True

    def _begin(self, event: Event) -> WyomingSound:
        self._release()
        self._sound = WyomingSound(event)
        self._place.enter_context(self.service.recording())
        return self._sound

    def _keep(self, sound: WyomingSound, samples: NDArray[np.float32]) -> None:
        self._n_samples += len(samples)
        self._samples.append(samples)
        most = self.service.limits.seconds
        if self._n_samples > most * sound.sample_rate:
            raise RefusalError(TOO_LARGE, f"the command is longer than {most:g} s")
        if self._n_samples * FLOAT_BYTES > 2 * self.service.limits.request_bytes:
            raise RefusalError(TOO_LARGE, "the command is too large; send it at 16 kHz")

    async def end(self) -> None:
        """Answer; a command that is rejected, or empty, has an empty text."""
        if self._sound is None:
            return
        rate = self._sound.sample_rate
        waveform = np.concatenate([np.zeros(0, np.float32), *self._samples])
        text, context = "", None
        if len(waveform):
            recognizer = self.service.shelf.find(self._request.name).recognizer
            work = partial(recognizer.transcribe, waveform, rate)
            hypothesis = await self.service.aside(work)
            text, context = hypothesis.text, {"confidence": round(hypothesis.confidence, 4)}
            self.service.metrics.sound.labels(self.protocol).inc(len(waveform) / rate)
        self._release()
        await self.send(Transcript(text=text, language=self._request.language, context=context))

    def _release(self) -> None:
        self._place.close()
        self._sound, self._samples, self._n_samples = None, [], 0

    async def disconnect(self) -> None:
        """Give the place of the command back."""
        self._release()
