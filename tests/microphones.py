"""A sounddevice for tests: only what stands between PortAudio and the callback is stood for."""

import threading
from types import SimpleNamespace

import numpy as np


class PortAudioError(Exception):
    pass


def sounddevice(play, rates=(44_100, 16_000), devices=("Desk", "Headset")):
    """A sounddevice with such devices, which offer such rates; `play` gets their stream."""

    class Stream:
        def __init__(self, **settings):
            self.settings = SimpleNamespace(**settings)
            self.has_stopped = threading.Event()

        def __enter__(self):
            self._thread = threading.Thread(target=play, args=(self,))
            self._thread.start()

        def __exit__(self, *_):
            self.has_stopped.set()
            self._thread.join()

        def give(self, samples, overflow=False):
            status = SimpleNamespace(input_overflow=overflow)
            content = np.rint(32767 * samples).astype(np.int16).tobytes()
            self.settings.callback(content, len(samples), None, status)

    known = [{"name": "Speaker", "max_input_channels": 0, "default_samplerate": 44_100.0}]
    known += [
        {"name": name, "max_input_channels": 1, "default_samplerate": float(rates[0])}
        for name in devices
    ]

    def query_devices(device=None, kind=None):
        if kind is None:
            return known
        if device is None and len(known) > 1:
            return known[1]
        found = [d for n, d in enumerate(known) if device in (n, d["name"])]
        if not found:
            raise ValueError(f"No input device matching {device!r}")
        return found[0]

    def check_input_settings(samplerate, **_):
        if samplerate not in rates:
            raise PortAudioError("Invalid sample rate")

    return SimpleNamespace(
        PortAudioError=PortAudioError,
        RawInputStream=Stream,
        query_devices=query_devices,
        check_input_settings=check_input_settings,
    )
