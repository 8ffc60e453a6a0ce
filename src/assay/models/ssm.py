"""Diagonal state space models for sequences: the layers of S4D and S5, and a classifier made of them.

Both layers are real linear systems x' = Lambda x + B u, y = Re(w C x) + D u on modes with Im >= 0 (weights w: see
`assay.linalg.approximate_diagonalization.Modes`), discretised bilinearly with step sizes that are learnt. In S4D every
channel has a system of its own, so the layer is a convolution; in S5 all channels share one system.

Everything inside is [channels, length, batch]: a step's linear maps are then one product of matrices, a channel's
convolution is one more, and nothing is transposed in between. At length 196 that halves the time of a block on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from assay.errors import UserError
from assay.linalg.approximate_diagonalization import STEPS, Modes, Start, modes
from assay.models.base import models

LONG = 256
"""Sequences longer than this are convolved by FFT. On one core the product with a Toeplitz matrix is faster up to
there (100 sequences, 32 channels, forward and backward)."""

# -- convolutions -----------------------------------------------------------------------------------------------------


def causal_convolution(u: Tensor, kernel: Tensor) -> Tensor:
    """y_l = sum_{m <= l} kernel_{l-m} u_m in every channel, [channels, length, batch].

    Args:
        u: [channels, length, batch].
        kernel: [channels, length].
    """
    return toeplitz_convolution(u, kernel) if u.shape[1] <= LONG else fft_convolution(u, kernel)


def toeplitz_convolution(u: Tensor, kernel: Tensor) -> Tensor:
    """`causal_convolution` as a product with a lower Toeplitz matrix a channel: O(length^2), no overhead."""
    y: Tensor = _Toeplitz.apply(u, kernel)  # type: ignore[no-untyped-call]
    return y


def fft_convolution(u: Tensor, kernel: Tensor) -> Tensor:
    """`causal_convolution` by Fourier transforms of twice the length, O(length log length)."""
    length = u.shape[1]
    spectrum = torch.fft.rfft(u.permute(0, 2, 1).contiguous(), n=2 * length)
    product = spectrum * torch.fft.rfft(kernel, n=2 * length)[:, None]
    return torch.fft.irfft(product, n=2 * length)[..., :length].permute(0, 2, 1)


class _Toeplitz(torch.autograd.Function):
    """T u with T_ij = kernel_{i-j}; the kernel's gradient is the sums along the diagonals of that of T."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, kernel: Tensor) -> Tensor:
        channels, length = kernel.shape
        padded = torch.cat([kernel.new_zeros(channels, length - 1), kernel], 1)
        hankel = torch.as_strided(padded, (channels, length, length), (2 * length - 1, 1, 1))
        matrix = hankel.flip(2)
        ctx.save_for_backward(u, matrix)
        return torch.bmm(matrix, u)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        u, matrix = ctx.saved_tensors
        (g,) = gradients
        outer = torch.bmm(g, u.transpose(1, 2))
        channels, length, _ = outer.shape
        # In rows that are one shorter than they are, entry (i, i + m) comes to stand in column m.
        rows = F.pad(outer.flip(2), (0, length))
        shifted = torch.as_strided(rows, (channels, length, 2 * length - 1), (2 * length**2, 2 * length - 1, 1))
        return torch.bmm(matrix.transpose(1, 2), g), shifted.sum(1)[:, length - 1 :]


def powers(z: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """z^l for l < length as products: z^(a q + r) = big[..., a] small[..., r], with q about sqrt(length).

    Args:
        z: complex, [...]; not 0.
        length: how many.

    Returns:
        big [..., ceil(length / q)] and small [..., q].
    """
    q, log = math.isqrt(max(length - 1, 0)) + 1, torch.log(z)[..., None]
    step = torch.arange(q, device=z.device)
    return torch.exp(log * (q * step[: math.ceil(length / q)])), torch.exp(log * step)


def recurrence(z: Tensor, v: Tensor) -> Tensor:
    """x_l = z x_{l-1} + v_l from x_{-1} = 0, [modes, length, batch], by Fourier transforms.

    Args:
        z: complex, [modes].
        v: complex, [modes, length, batch].
    """
    length = v.shape[1]
    big, small = powers(z, length)
    kernel = (big[:, :, None] * small[:, None]).flatten(1)[:, :length]
    spectrum = torch.fft.fft(v, n=2 * length, dim=1) * torch.fft.fft(kernel, n=2 * length)[..., None]
    return torch.fft.ifft(spectrum, dim=1)[:, :length]


def doubling_scan(z: Tensor, v: Tensor) -> Tensor:
    """`recurrence` as a scan of log2(length) passes: after pass k each x_l holds the last 2^k terms of its sum."""
    x, shift = v, 1
    while shift < v.shape[1]:
        x = torch.cat([x[:, :shift], x[:, shift:] + z[:, None, None] * x[:, :-shift]], 1)
        z, shift = z * z, 2 * shift
    return x


# -- layers -----------------------------------------------------------------------------------------------------------


class _Diagonal(nn.Module):
    """What both layers have: Lambda = -exp(log_decay) + i frequency, step sizes, and which parameters learn slowly."""

    log_decay: nn.Parameter
    frequency: nn.Parameter
    b: nn.Parameter
    log_step: nn.Parameter
    weights: Tensor

    def slow(self) -> Iterator[nn.Parameter]:
        """Lambda, B and the steps: they get a rate of their own and no decay."""
        yield from (self.log_decay, self.frequency, self.b, self.log_step)

    def discretised(self, step: Tensor) -> tuple[Tensor, Tensor]:
        """Bilinear: (1 + step lambda/2) / (1 - step lambda/2), and step / (1 - step lambda/2), by which B is scaled."""
        moved = step * torch.complex(-torch.exp(self.log_decay), self.frequency) / 2
        return (1 + moved) / (1 - moved), step / (1 - moved)


class DiagonalSSM(_Diagonal):
    """The layer of S4D: one system a channel, [channels, length, batch] to the same.

    The kernel is K_l = sum_j w_j Re(C_j B_j lambda_j^l), l = 0, 1, ...; it equals C A^l B of the discrete system.
    All channels start from the same modes; C is real and normal with variance 1/n before the change of basis.

    Args:
        channels: how many systems.
        start: their modes.
        steps: between which step sizes start, uniformly in log.
        bidirectional: add a second readout of the sequence read backwards.
        dtype: of the parameters.

    Source: Gu, Gupta, Goel and Re (2022), arXiv 2206.11893.
    """

    def __init__(
        self,
        channels: int,
        start: Modes,
        *,
        steps: tuple[float, float] = (1e-3, 1e-1),
        bidirectional: bool = False,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        n = len(start.vectors)
        self.log_step = nn.Parameter(_log_uniform(channels, steps, dtype))
        directions = 2 if bidirectional else 1
        c = torch.randn(directions, channels, n).double() / math.sqrt(n)
        vectors = torch.tensor(start.vectors)
        self.c = nn.Parameter(_pair(c.to(vectors.dtype) @ vectors, dtype))
        self.d = nn.Parameter(torch.randn(channels).to(dtype or torch.get_default_dtype()))
        values, b = (torch.tensor(x).expand(channels, -1) for x in (start.values, start.b))
        self.log_decay = nn.Parameter(_plain(torch.log(-values.real), dtype))
        self.frequency = nn.Parameter(_plain(values.imag, dtype))
        self.b = nn.Parameter(_pair(b, dtype))
        self.register_buffer("weights", _plain(torch.tensor(start.weights), dtype))

    def kernels(self, length: int) -> Tensor:
        """K, [directions, channels, length], without D."""
        z, scale = self.discretised(self.log_step.exp()[:, None])
        readout = self.weights * torch.view_as_complex(self.c) * torch.view_as_complex(self.b) * scale
        big, small = powers(z, length)
        # The real part of a product of complex matrices as one real product.
        big = readout[..., None] * big
        left = torch.cat([big.real, -big.imag], -2).transpose(-1, -2)
        k = left @ torch.cat([small.real, small.imag], -2)
        return k.flatten(-2)[..., :length]

    def gains(self, angle: Tensor) -> Tensor:
        """|G(i w)| of the continuous systems at w = (2/step) tan(angle/2), [channels, len(angle)], without D.

        The layer multiplies a Fourier mode with that many radians a step by |G(i w)| / cos(angle/2).
        """
        w = 2 / self.log_step.exp()[:, None] * torch.tan(angle / 2)
        values = torch.complex(-torch.exp(self.log_decay), self.frequency)[..., None]
        product = (torch.view_as_complex(self.c)[0] * torch.view_as_complex(self.b))[..., None]
        s = 1j * w[:, None]
        pairs = product / (s - values) + product.conj() / (s - values.conj())
        return (self.weights[:, None] / 2 * pairs).sum(1).abs()

    def forward(self, u: Tensor) -> Tensor:
        """The systems' outputs, D included."""
        kernels = self.kernels(u.shape[1])
        forward = torch.cat([kernels[0, :, :1] + self.d[:, None], kernels[0, :, 1:]], 1)
        y = causal_convolution(u, forward)
        return y if len(kernels) == 1 else y + causal_convolution(u.flip(1), kernels[1]).flip(1)


class S5Layer(_Diagonal):
    """The layer of S5: one system for all channels, [channels, length, batch] to the same.

    Lambda is that of `blocks` equal starts of state / blocks states each. B and C are real and normal before the change
    of basis, with variances 1/channels and 1/state; each mode has a step size of its own.

    Args:
        channels: inputs and outputs.
        start: the modes of one block.
        blocks: how many.
        steps, bidirectional, dtype: see `DiagonalSSM`.

    Source: Smith, Warrington and Linderman (2023), arXiv 2208.04933.
    """

    def __init__(
        self,
        channels: int,
        start: Modes,
        *,
        blocks: int = 1,
        steps: tuple[float, float] = (1e-3, 1e-1),
        bidirectional: bool = False,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        n = len(start.vectors)
        modes, directions = blocks * len(start.values), 2 if bidirectional else 1
        self.log_step = nn.Parameter(_log_uniform(modes, steps, dtype))
        b = torch.randn(blocks, n, channels).double() / math.sqrt(channels)
        c = torch.randn(directions, channels, blocks, n).double() / math.sqrt(blocks * n)
        vectors, inverse = torch.tensor(start.vectors), torch.tensor(start.inverse)
        self.b = nn.Parameter(_pair((inverse @ b.to(inverse.dtype)).flatten(0, 1), dtype))
        self.c = nn.Parameter(_pair((c.to(vectors.dtype) @ vectors).flatten(2), dtype))
        self.d = nn.Parameter(torch.randn(channels).to(dtype or torch.get_default_dtype()))
        values = torch.tensor(np.tile(start.values, blocks))
        self.log_decay = nn.Parameter(_plain(torch.log(-values.real), dtype))
        self.frequency = nn.Parameter(_plain(values.imag, dtype))
        self.register_buffer("weights", _plain(torch.tensor(np.tile(start.weights, blocks)), dtype))

    def forward(self, u: Tensor) -> Tensor:
        """The system's outputs, D included."""
        z, scale = self.discretised(self.log_step.exp())
        channels, length, batch = u.shape
        inputs = (scale[:, None] * torch.view_as_complex(self.b)) @ u.reshape(channels, -1).to(z.dtype)
        v = inputs.view(len(z), length, batch)
        readout = self.weights * torch.view_as_complex(self.c)
        y = self._read(readout[0], recurrence(z, v))
        if len(readout) == 2:
            y = y + self._read(readout[1], recurrence(z, v.flip(1)).flip(1))
        return y.view(channels, length, batch) + self.d[:, None, None] * u

    @staticmethod
    def _read(c: Tensor, x: Tensor) -> Tensor:
        """Re(C x), [channels, length * batch]."""
        return (c @ x.flatten(1)).real


def _log_uniform(count: int, ends: tuple[float, float], dtype: torch.dtype | None) -> Tensor:
    low, high = (math.log(end) for end in ends)
    return (low + (high - low) * torch.rand(count)).to(dtype or torch.get_default_dtype())


def _plain(x: Tensor, dtype: torch.dtype | None) -> Tensor:
    return x.to(dtype or torch.get_default_dtype()).clone()


def _pair(x: Tensor, dtype: torch.dtype | None) -> Tensor:
    """A complex tensor as a real one with a last axis of two: optimizers see real parameters."""
    return _plain(torch.view_as_real(x.resolve_conj()), dtype)


# -- the classifier ---------------------------------------------------------------------------------------------------


class ChannelNorm(nn.Module):
    """Layer normalisation over the first axis of [channels, length, batch], with a gain and a bias a channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        y: Tensor = _Normalise.apply(x.flatten(1), self.weight, self.bias)  # type: ignore[no-untyped-call]
        return y.view_as(x)


class _Normalise(torch.autograd.Function):
    """(x - mean) / sqrt(variance + 1e-5) over the rows of x [channels, columns], times a weight, plus a bias."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        centred = x - x.mean(0)
        inverse = torch.rsqrt(centred.square().mean(0) + 1e-5)
        normal = centred.mul_(inverse)
        ctx.save_for_backward(normal, inverse, weight)
        return torch.addcmul(bias[:, None], normal, weight[:, None])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        normal, inverse, weight = ctx.saved_tensors
        (g,) = gradients
        product = g * normal
        inner = g * weight[:, None]
        along = (weight @ product) / len(weight)
        moved = inner.sub_(inner.mean(0)).addcmul_(normal, along, value=-1).mul_(inverse)
        return moved, product.sum(1), g.sum(1)


class SSMBlock(nn.Module):
    """x + GLU(linear(GELU(SSM(norm(x))))), with dropout after GELU and after GLU; [channels, length, batch]."""

    def __init__(self, channels: int, ssm: nn.Module, norm: Literal["layer", "batch"], dropout: float) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels) if norm == "layer" else nn.BatchNorm1d(channels)
        self.ssm = ssm
        self.mix = nn.Linear(channels, 2 * channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        if isinstance(self.norm, nn.BatchNorm1d):
            z = self.norm(x.permute(2, 0, 1)).permute(1, 2, 0).contiguous()
        else:
            z = self.norm(x)
        y = self.dropout(F.gelu(self.ssm(z))).flatten(1)
        y = F.glu(torch.addmm(self.mix.bias[:, None], self.mix.weight, y), 0)
        return x + self.dropout(y.view_as(x))


@models.register(
    "sequence_classifier",
    source="arXiv 2206.11893 and 2208.04933",
    reduced={"width": 4, "depth": 1, "state": 4, "blocks": 1, "descent": 5},
)
class SequenceClassifier(nn.Module):
    """Encoder, blocks of state space layers, mean over time, linear head.

    Args:
        inputs: (length, columns) of a real sequence; (channels, height, width) of an image, read row by row; (length,)
            of tokens or (2, length) of two documents, if there is a vocabulary. 0 is the padding of tokens.
        outputs: number of scores.
        layer: "s4d" has a system a channel, "s5" one for all.
        width: channels.
        depth: blocks.
        state: states n of a system.
        blocks: equal parts of the state of "s5".
        start: where Lambda and B come from, see `assay.linalg.approximate_diagonalization.modes`.
        size: of the perturbation.
        descent: steps of the perturbation's optimisation, if it has one.
        norm: before every block, over channels ("layer") or over sequences and time ("batch").
        bidirectional: read sequences in both directions.
        dropout: share dropped after GELU and after GLU.
        step_min, step_max: between which step sizes start, uniformly in log.
        vocabulary: number of tokens; 0 for real sequences.
    """

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        layer: Literal["s4d", "s5"] = "s4d",
        width: int = 32,
        depth: int = 2,
        state: int = 32,
        blocks: int = 1,
        start: Start = "s4d",
        size: float = 0.1,
        descent: int = STEPS,
        norm: Literal["layer", "batch"] = "layer",
        bidirectional: bool = False,
        dropout: float = 0.0,
        step_min: float = 1e-3,
        step_max: float = 1e-1,
        vocabulary: int = 0,
    ) -> None:
        super().__init__()
        if state % blocks or (layer == "s4d" and blocks != 1):
            raise UserError(f"model.blocks={blocks}: expected a divisor of the state, and 1 for the layer s4d")
        # One number from the model's own draws, whatever the start: all starts then share every later draw.
        draw = np.random.default_rng(int(torch.randint(2**31, (1,), device="cpu")))
        self.modes = modes(state // blocks, start, size, draw, steps=descent)
        self.two = vocabulary > 0 and len(inputs) == 2
        self.encoder: nn.Module
        if vocabulary:
            self.encoder = nn.Embedding(vocabulary, width, padding_idx=0)
        else:
            self.encoder = nn.Linear(inputs[0] if len(inputs) == 3 else inputs[1], width)
        how: dict[str, Any] = {"steps": (step_min, step_max), "bidirectional": bidirectional}
        self.blocks = nn.ModuleList()
        for _ in range(depth):
            ssm = DiagonalSSM(width, self.modes, **how) if layer == "s4d" else S5Layer(
                width, self.modes, blocks=blocks, **how
            )  # fmt: skip
            self.blocks.append(SSMBlock(width, ssm, norm, dropout))
        self.head: nn.Module = nn.Linear(width, outputs)
        if self.two:
            self.head = nn.Sequential(nn.Linear(4 * width, width), nn.GELU(), nn.Linear(width, outputs))

    def slow(self) -> list[nn.Parameter]:
        """The parameters of all layers that get a rate of their own, see `DiagonalSSM`."""
        return [p for module in self.modules() if isinstance(module, _Diagonal) for p in module.slow()]

    @staticmethod
    def length(inputs: tuple[int, ...]) -> int:
        """Steps of a sequence of that shape: the product of height and width for an image."""
        return inputs[1] * inputs[2] if len(inputs) == 3 else inputs[0]

    def forward(self, x: Tensor) -> Tensor:
        """Scores [batch, outputs] of sequences [batch, ...]."""
        if self.two:
            a, b = self._features(x.flatten(0, 1)).unflatten(0, (-1, 2)).unbind(1)
            scores: Tensor = self.head(torch.cat([a, b, a * b, a - b], 1))
        else:
            scores = self.head(self._features(x))
        return scores

    def _features(self, x: Tensor) -> Tensor:
        """The mean over time after the last block, [batch, width]; padding does not count."""
        mask = None
        if isinstance(self.encoder, nn.Embedding):
            mask = (x != 0).T.to(self.encoder.weight.dtype)
            y = self.encoder(x.T).permute(2, 0, 1).contiguous()
        else:
            assert isinstance(self.encoder, nn.Linear)
            # [columns, length, batch]
            columns = x.flatten(2).permute(1, 2, 0) if x.ndim == 4 else x.permute(2, 1, 0)
            y = torch.addmm(self.encoder.bias[:, None], self.encoder.weight, columns.flatten(1))
            y = y.view(-1, *columns.shape[1:])
        for block in self.blocks:
            y = block(y)
        if mask is None:
            return y.mean(1).T
        return ((y * mask).sum(1) / mask.sum(0).clamp_min(1)).T
