"""Distil a large encoder of whole clips into a small recurrent encoder that can stream.

Shapes: B clips of a batch, N samples, T frames (100 a second), M mel bands, K steps (25 a second),
D values of an embedding, V words.
"""
