from hypothesis import settings

# The machine that runs the tests may be busy: time says nothing about a law.
settings.register_profile("speech_rnn", deadline=None, derandomize=True)
settings.load_profile("speech_rnn")
