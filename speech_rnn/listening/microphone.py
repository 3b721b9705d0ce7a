"""The microphone, through PortAudio (``sounddevice``, the extra ``mic``)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from queue import Empty, Full, Queue
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_rnn.errors import AudioError, MissingExtraError
from speech_rnn.listening.interrupts import Stop
from speech_rnn.samples.downmix import Downmix
from speech_rnn.samples.limits import check_channel, check_channels
from speech_rnn.streaming.chunks import FULL_SCALE

CHUNK_SECONDS = 0.05
WAITING_SECONDS = 10.0
"""Longest queue of sound in seconds; further sound is lost and counted."""
VANISHED_SECONDS = 3.0
"""Seconds without a sample after which a device counts as gone; not every driver reports that."""


class Microphone:
    """Records from an input device; see `speech_rnn.listening.sources.Source`.

    Parameters
    ----------
    device : number of the device, or a part of its name; None is the default one.
    sample_rate : sample rate in Hz; None is `preferred_rate` if the device offers it, otherwise the
        device's own.
    preferred_rate : preferred sample rate in Hz.
    n_channels : number of channels to record.
    channel : index of the channel to take, from 0; None takes the mean; see `Downmix`.

    Raises
    ------
    ConfigurationError
        if the number of channels is impossible, or the channel does not exist.
    MissingExtraError
        if sounddevice is not installed.
    AudioError
        if PortAudio is not installed, or the device does not exist or lacks these settings; the
        message lists the existing devices.
    """

    name = "microphone"
    is_live = True

    def __init__(
        self,
        device: str | None = None,
        sample_rate: int | None = None,
        *,
        preferred_rate: int = 16_000,
        n_channels: int = 1,
        channel: int | None = None,
    ) -> None:
        check_channels(n_channels)
        if channel is not None:
            check_channel(channel, n_channels)
        self.mix = Downmix(channel)
        self._sounddevice = _sounddevice()
        self._device = int(device) if device is not None and device.isdecimal() else device
        self._n_channels = n_channels
        self.n_overruns = 0
        self._n_lost = 0
        try:
            default = self._sounddevice.query_devices(self._device, "input")["default_samplerate"]
            self.sample_rate = sample_rate or self._offered(preferred_rate, round(default))
            self._sounddevice.check_input_settings(samplerate=self.sample_rate, **self._settings())
        except (self._sounddevice.PortAudioError, ValueError) as error:
            raise self._unusable(error) from error

    def _settings(self) -> dict[str, Any]:
        return {"device": self._device, "channels": self._n_channels, "dtype": "int16"}

    def _offered(self, preferred: int, otherwise: int) -> int:
        try:
            self._sounddevice.check_input_settings(samplerate=preferred, **self._settings())
        except self._sounddevice.PortAudioError:
            return otherwise
        return preferred

    def chunks(self, stop: Stop) -> Iterator[NDArray[np.float32]]:
        """Yield samples as they arrive, with silence in place of lost ones; see `Source`."""
        size = max(1, round(CHUNK_SECONDS * self.sample_rate))
        arrived: Queue[tuple[int, bytes]] = Queue(round(WAITING_SECONDS / CHUNK_SECONDS))
        has_ended = Event()

        def take(content: Any, n_frames: int, when: Any, status: Any) -> None:
            """Run in a thread of PortAudio; blocking here would lose sound."""
            self.n_overruns += bool(status.input_overflow)
            try:
                arrived.put_nowait((self._n_lost, bytes(content)))
                self._n_lost = 0
            except Full:
                self.n_overruns += 1
                self._n_lost += n_frames

        try:
            stream = self._sounddevice.RawInputStream(
                samplerate=self.sample_rate,
                blocksize=size,
                callback=take,
                finished_callback=has_ended.set,
                **self._settings(),
            )
            with stream:
                last = time.monotonic()
                while True:
                    stop.check()
                    try:
                        n_lost, content = arrived.get(timeout=0.1)
                    except Empty:
                        if has_ended.is_set() or time.monotonic() - last > VANISHED_SECONDS:
                            raise self._vanished() from None
                        continue
                    last = time.monotonic()
                    if n_lost:
                        yield np.zeros(n_lost, np.float32)
                    levels = np.frombuffer(content, np.int16).reshape(-1, self._n_channels)
                    yield self.mix((levels / FULL_SCALE["int16"]).astype(np.float32))
        except self._sounddevice.PortAudioError as error:
            raise self._unusable(error) from error

    def problems(self) -> list[str]:
        """Return how often sound was lost, and the problems of the channels."""
        found = self.mix.problems()
        if self.n_overruns:
            found.append(
                f"{self.n_overruns} overruns: sound arrived faster than it was processed, and "
                "was lost"
            )
        return found

    def _unusable(self, error: Exception) -> AudioError:
        return AudioError(f"microphone={self._named()} cannot be used ({error}); {self._devices()}")

    def _vanished(self) -> AudioError:
        return AudioError(
            f"microphone={self._named()} has stopped sending: is it unplugged? {self._devices()}"
        )

    def _named(self) -> str:
        return "default" if self._device is None else repr(self._device)

    def _devices(self) -> str:
        inputs = input_devices()
        if not inputs:
            return "there is no input device; --input FILE, or --input - for raw PCM, needs none"
        return f"there are {', '.join(inputs)}: --microphone NUMBER, or a part of its name"


def input_devices() -> list[str]:
    """Return number, name and channels of each device that records, such as ``1 'Desk' (…)``.

    Raises
    ------
    MissingExtraError
        if sounddevice is not installed.
    AudioError
        if PortAudio is not installed.
    """
    return [
        f"{number} {device['name']!r} ({device['max_input_channels']} channels)"
        for number, device in enumerate(_sounddevice().query_devices())
        if device["max_input_channels"]
    ]


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise MissingExtraError("sounddevice", "mic") from error
    except OSError as error:
        raise AudioError(
            f"microphone: {error}; install it, such as apt install libportaudio2, or listen to raw "
            "PCM: arecord -t raw -f S16_LE -r 16000 | speech-rnn listen --input -"
        ) from error
    return sounddevice
