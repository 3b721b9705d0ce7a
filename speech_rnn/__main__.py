"""``python -m speech_rnn`` is ``speech-rnn``."""

from speech_rnn.cli import main

if __name__ == "__main__":
    main()
