"""What computes a recogniser's logits: PyTorch, or ONNX Runtime alone."""
