"""Count the multiply-adds of a model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from speech_rnn.model.acoustic import AcousticModel
from speech_rnn.model.layers import Attention
from speech_rnn.model.whisper import SelfAttention


def multiply_adds(model: AcousticModel, n_frames: int) -> int:
    """Return the multiply-adds of matrices and convolutions for a clip of `n_frames`.

    Features, normalisation and activation functions are not counted, as is usual. The layers are
    counted while a silent clip is processed; torch's own counter omits LSTM layers on a CPU.
    """
    total = 0

    def count(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal total
        if isinstance(layer, nn.RNNBase):
            weights = sum(w.numel() for name, w in layer.named_parameters() if "weight" in name)
            total += inputs[0].shape[0] * inputs[0].shape[1] * weights
        elif isinstance(layer, (nn.Conv1d, nn.Conv2d)):
            total += output.numel() * layer.weight[0].numel()
        elif isinstance(layer, Attention):  # scores and the weighted sum
            total += 2 * layer.n_heads * inputs[0].numel()
        elif isinstance(layer, SelfAttention):  # the same for each step, over all heads
            total += 2 * inputs[0].shape[1] * inputs[0].numel()

    hooks = [layer.register_forward_hook(count) for layer in model.modules()]
    was_training = model.training
    weight: Tensor = model.output.weight
    try:
        with torch.inference_mode(), _Linear() as linear:
            frames = weight.new_zeros(1, n_frames, model.n_features)
            model.eval()(frames, torch.tensor([n_frames], device=weight.device))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return total + linear.total


class _Linear(TorchFunctionMode):
    """Counts the multiply-adds of linear maps, whether a layer or a function computes them."""

    total = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is F.linear:
            self.total += result.numel() * args[1].shape[1]
        return result
