"""Small jobs that processes can load: those of tests are no part of the package."""

import os
import signal
import time
from dataclasses import dataclass

from speech_rnn.errors import ConfigurationError, MissingExtraError


@dataclass(frozen=True)
class Square:
    """Squares numbers; some of them end the process, always or once."""

    deadly: frozenset[int] = frozenset()
    once: str = ""
    slow: int = -1

    def start(self):
        return self.work

    def work(self, numbers):
        for number in numbers:
            if number in self.deadly or (self.once and self.first_time(number)):
                os.kill(os.getpid(), signal.SIGKILL)
            if number == self.slow:
                time.sleep(0.5)
            yield number * number

    def first_time(self, number):
        try:
            os.close(os.open(f"{self.once}/{number}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return number % 7 == 3

    def lost(self, item, reason):
        return f"{item} is lost: {reason}"


@dataclass(frozen=True)
class Refusing(Square):
    """A job that cannot start."""

    extra: bool = False

    def start(self):
        if self.extra:
            raise MissingExtraError("kenlm", "kenlm", "an n-gram model")
        raise ConfigurationError("beam=-1 must be above 0")


@dataclass(frozen=True)
class Dying(Square):
    """A job on which each process dies."""

    def start(self):
        os.kill(os.getpid(), signal.SIGKILL)
