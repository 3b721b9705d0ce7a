"""Distil a large encoder of whole clips into a small recurrent one that hears as it goes.

Shapes: B clips of a batch, N samples, T frames (100 a second), M mel bands, K steps (25 a second),
D values of an embedding, V words.
"""
