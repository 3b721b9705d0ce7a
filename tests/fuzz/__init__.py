"""A seeded mutator of what strangers hand over: a result or a `SpeechRnnError` comes of it."""
