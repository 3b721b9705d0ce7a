"""Engines that compute a recogniser's logits: PyTorch, or ONNX Runtime alone."""
