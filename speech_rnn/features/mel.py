"""The mel filters as a torch module, from spectra of windows to energies of mel bands."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from speech_rnn.features.definitions import tracing
from speech_rnn.features.workspace import Workspace

# A filter covers few frequencies. On a CPU, four products with a quarter of the filters each, and
# only the frequencies of these, take half the time of one (MFCC(), 1 to 16 clips of a second).
GROUPS = 4


class MelFilters(nn.Module):
    """Energies of mel bands: complex spectra (B, T, F) to (B, T, M).

    Parameters
    ----------
    filters : (F, M) weights of the frequencies in each band.
    power : exponent of the magnitude spectrum.
    workspace : memory for intermediate results.

    Attributes
    ----------
    bins : the K frequencies from the first to the last that any filter covers.
    filters : (K, M) weights of these frequencies.
    """

    filters: Tensor

    def __init__(self, filters: Tensor, power: float, workspace: Workspace) -> None:
        super().__init__()
        self.power, self._workspace = power, workspace
        self.bins = _reached(filters)
        self._n_mels = filters.shape[1]
        self._groups: list[tuple[str, slice]] = []
        self.register_buffer("filters", filters[self.bins].float(), persistent=False)
        for some in filters.float().chunk(GROUPS, dim=1):
            rows = _reached(some)
            # One row for the real and one for the imaginary part.
            twice = some[rows].repeat_interleave(2, dim=0)  # (2 K', M')
            name = f"_group_{len(self._groups)}"
            self.register_buffer(name, twice, persistent=False)
            self._groups.append((name, slice(2 * rows.start, 2 * rows.stop)))

    def forward(self, spectrum: Tensor) -> Tensor:
        """Return the energies, (B, T, M).

        The result is overwritten by the next call; the input is modified in place.

        Parameters
        ----------
        spectrum : (B, T, F) complex.
        """
        if self.power == 2 and spectrum.device.type == "cpu" and not tracing():
            return self._grouped(spectrum)
        spectrum = spectrum[..., self.bins]  # (B, T, K)
        # Three times as fast as a complex abs, or as a sum over view_as_real's last axis.
        real, imag = spectrum.real, spectrum.imag
        energy = torch.addcmul(real.square(), imag, imag)
        if self.power != 2:  # a root has an infinite slope at 0
            energy = energy.clamp(min=torch.finfo(energy.dtype).tiny).pow(self.power / 2)
        return energy @ self.filters.to(energy.dtype)  # (B, T, M)

    def _grouped(self, spectrum: Tensor) -> Tensor:
        parts = torch.view_as_real(spectrum)  # (B, T, F, 2)
        # The product with the filters also sums the two squares, which saves a pass over memory.
        squares = parts.square_() if Workspace.suits(parts) else parts.square()
        squares = squares.view(-1, 2 * spectrum.shape[-1])  # (B T, 2 F)
        groups = [
            (squares[:, columns], self.get_buffer(name).to(squares.dtype))
            for name, columns in self._groups
        ]
        if Workspace.suits(squares):
            energies = self._workspace.room("energies", (len(squares), self._n_mels), squares.dtype)
            outs = energies.split([group.shape[1] for _, group in groups], dim=1)
            for (part, group), out in zip(groups, outs, strict=True):
                torch.mm(part, group, out=out)
        else:
            energies = torch.cat([part @ group for part, group in groups], 1)
        return energies.view(*spectrum.shape[:-1], -1)  # (B, T, M)


def _reached(filters: Tensor) -> slice:
    """Return the range of frequencies that any of the filters (F, M) covers; at least one."""
    reached = filters.any(1).nonzero()[:, 0]
    return slice(int(reached.min()), int(reached.max()) + 1) if len(reached) else slice(0, 1)
