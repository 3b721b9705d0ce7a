"""Try damaged files: ``python -m tests.fuzz [--kind KIND] [--seed SEED] [--number N]``.

Each comes to a result or a `SpeechRnnError`, within 5 s of a processor and 1.5 GB. What does not is
printed and kept in the folder, and the exit code is 1; ``--kind KIND --only PLACE`` tries one again
and prints where it went wrong. What waits for longer than a minute is wrong as well.
"""

import argparse
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from random import Random

from speech_rnn.errors import own_error
from tests.fuzz.mutations import damaged
from tests.fuzz.originals import originals

SECONDS, MEGABYTES = 5, 1500
WAITING_SECONDS = 60


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--only", type=int)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for kind_of_signal in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(kind_of_signal, lambda *_: sys.exit(f"over {SECONDS} s: {path}"))
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    kinds = originals(folder)
    wrong, slowest = 0, 0.0
    for kind in [given.kind] if given.kind else kinds:
        uses = kinds[kind]
        for name, use in uses.items():  # what is whole is no error
            use(folder / name)
        outcomes = {"result": 0, "error": 0}
        for number in range(given.number) if given.only is None else [given.only]:
            random = Random(f"{kind}/{given.seed}/{number}")
            name = random.choice(list(uses))
            path = folder / f"{kind}-{number}-{name}"
            path.write_bytes(damaged(random, folder / name))
            started = time.process_time()
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            signal.alarm(WAITING_SECONDS)
            try:
                uses[name](path)
                outcomes["result"] += 1
            except Exception as error:
                if given.only is not None:
                    traceback.print_exc()
                if own_error(error) is None:
                    wrong += 1
                    print(f"{path}: {type(error).__name__}: {str(error)[:200]}")
                    continue
                outcomes["error"] += 1
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
                signal.alarm(0)
                slowest = max(slowest, time.process_time() - started)
            path.unlink()
        print(f"{kind}: {outcomes['result']} results, {outcomes['error']} errors", flush=True)
    megabytes = most_memory() / 1000
    print(f"{wrong} others; slowest {slowest:.2f} s; most memory {megabytes:.0f} MB")
    sys.exit(int(wrong > 0 or megabytes > MEGABYTES))


def most_memory():
    """Return the most memory of this process so far, in kB.

    `ru_maxrss` begins with that of the process that started this one, which may be large.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1])


if __name__ == "__main__":
    main()
