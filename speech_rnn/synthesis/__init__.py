"""Text to speech as a source of clips."""
