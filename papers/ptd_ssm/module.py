"""Diagonal state space models from HiPPO: what the perturbation does before training, and after it.

    ptd_ssm/perturbations   kappa of the eigenbasis and distance to HiPPO, by kind and size of E; nothing is trained
    ptd_ssm/gains           gains ||(iw - M)^-1 B|| against w, for figures
    ptd_ssm/robust          a classifier of sequences, tested with Fourier modes added
    ptd_ssm/toy             amplitude and frequency of a sinusoid, read from frozen systems by ridge regression
    ptd_ssm/toy_trained     the same with a trained network

The systems are `assay.linalg.hippo` and `assay.linalg.approximate_diagonalization` (Sec. 3, 4), layers and classifier
`assay.models.ssm`. Gains and deviations are norms of the vector x = (iw - M)^-1 B: suprema over unit readouts C.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assay.classifier import ClassifierModule
from assay.data import fourier_noise
from assay.data.base import Data, Split, data
from assay.linalg import eig_ptd, hippo_legs, modes, perturb
from assay.linalg.approximate_diagonalization import STEPS, Kind, Start
from assay.linalg.hippo import Eigenbasis, legs_states, normal_eigenbasis, states
from assay.models import DiagonalSSM, SequenceClassifier
from assay.module import GradientModule, PaperModule, modules
from assay.seeds import Seeds

Array = NDArray[np.float64]
SOURCE = "arXiv 2310.01698"

# -- gains and deviations ---------------------------------------------------------------------------------------------


def highest_spike(n: int) -> float:
    """n^2/pi, about where the diagonal system's gain is largest (Lemma 1, Thm 2)."""
    return n**2 / math.pi


def grid(n: int, *perturbed: Eigenbasis) -> Array:
    """Frequencies to look at: 300 evenly up to 1.2 n^2/pi, and every |Im eigenvalue| and 0.1 beside it.

    Args:
        n: states.
        perturbed: eigenbases whose eigenvalues are looked at too, besides those of A_N.
    """
    near = [
        np.abs(basis.values.imag) + shift for basis in (normal_eigenbasis(n), *perturbed) for shift in (0, -0.1, 0.1)
    ]
    return np.unique(np.concatenate([np.linspace(0, 1.2 * highest_spike(n), 300), *near]))


def diagonal_states(n: int, w: Array) -> NDArray[np.complex128]:
    """x of S4D's start: A_N with B/2."""
    _, b = hippo_legs(n)
    return states(normal_eigenbasis(n), b / 2, w)


def deviation_of_diagonal(n: int) -> float:
    """sup_w ||x_diag - x_dplr|| on the grid."""
    w = grid(n)
    return largest(diagonal_states(n, w) - legs_states(n, w))


def deviation(n: int, basis: Eigenbasis, factor: float = 1.0) -> float:
    """sup_w ||x_pert - x_dplr|| on the grid, for a diagonalised A + E with factor B (Thm 3)."""
    _, b = hippo_legs(n)
    w = grid(n, basis)
    return largest(states(basis, factor * b, w) - legs_states(n, w))


def largest(x: NDArray[np.complex128]) -> float:
    """The largest norm of a row."""
    return float(np.linalg.norm(x, axis=1).max())


@modules.register("ptd_ssm/perturbations", source=f"{SOURCE}, Thms 3 and 4", reduced={"states": [4], "descent": 3})
class Perturbations(PaperModule):
    """Draws E, diagonalises A + E and compares it with A; a step is one kind, size and number of states.

    A draw with an eigenvalue that is not stable is counted and not compared. After `opt` come random E of its norm.

    Args:
        states: numbers of states n.
        sizes: ||E|| / ||A||; theta for rank1.
        descent: steps of `opt`.
    """

    block_steps = 1
    device_free = True

    def __init__(
        self,
        *,
        states: Sequence[int] = (16, 32, 64, 128),
        sizes: Sequence[float] = (1e-3, 1e-2, 1e-1),
        descent: int = STEPS,
    ) -> None:
        super().__init__()
        self.descent = descent
        random: list[tuple[Kind, float]] = [(kind, size) for kind in ("rank1", "skew", "ginibre") for size in sizes]
        self.cases = [(n, kind, size) for n in states for kind, size in [*random, ("opt", 0.0)]]

    @property
    def total(self) -> int:
        """One step a case."""
        return len(self.cases)

    def measure_at(self, total: int) -> Iterable[int]:
        """There is no curve."""
        return ()

    def advance(self, start: int, stop: int) -> None:
        """The cases start, ..., stop-1."""
        for n, kind, size in self.cases[start:stop]:
            e = perturb(n, kind, size, self.seeds.numpy("E", n, kind, str(size)), steps=self.descent)
            ratio = self.look(n, kind, size, e)
            if kind == "opt":
                for other in ("skew", "ginibre"):
                    drawn = perturb(n, other, ratio, self.seeds.numpy("E", n, other, "matched"))
                    self.look(n, f"{other}_matched", 0.0, drawn)

    def look(self, n: int, kind: str, size: float, e: Array) -> float:
        """Record one E; returns ||E|| / ||A||."""
        a, _ = hippo_legs(n)
        norm, basis = float(np.linalg.norm(e, 2)), eig_ptd(a + e)
        ratio, stable = norm / float(np.linalg.norm(a, 2)), bool(basis.values.real.max() < 0)
        values = {"kappa": basis.condition, "ratio": ratio, "stable": float(stable)}
        values["real"] = float((basis.values.imag == 0).sum())
        if stable:
            values["deviation"] = deviation(n, basis)
            # With unit B and C: against 2 eps / n, which holds for skew E, and (2 ln n + 4) eps of Theorem 3.
            values["over_bound"] = values["deviation"] / n / (2 * norm / n)
            values["over_theorem"] = values["deviation"] / n / ((2 * math.log(n) + 4) * norm)
        self.unit(f"{n} {kind} {size:g}", n=n, kind=kind, size=size, **values)
        return ratio


@modules.register("ptd_ssm/gains", source=f"{SOURCE}, Figs. 1 and 2", reduced={"states": [4]})
class Gains(PaperModule):
    """||x|| on a log grid of w, with the spikes in it, for A, A_N with B/2 and rank1; a step is one n.

    Args:
        states: numbers of states n.
        theta: of rank1.
        points: of the log grid.
    """

    block_steps = 1
    device_free = True

    def __init__(self, *, states: Sequence[int] = (32, 64, 128), theta: float = 0.1, points: int = 150) -> None:
        super().__init__()
        self.states, self.theta, self.points = list(states), theta, points

    @property
    def total(self) -> int:
        """One step an n."""
        return len(self.states)

    def measure_at(self, total: int) -> Iterable[int]:
        """There is no curve."""
        return ()

    def advance(self, start: int, stop: int) -> None:
        """The sizes start, ..., stop-1."""
        for n in self.states[start:stop]:
            a, b = hippo_legs(n)
            spikes = np.abs(normal_eigenbasis(n).values.imag)
            w = np.unique(np.concatenate([np.geomspace(0.1, 3 * highest_spike(n), self.points), spikes]))
            basis = eig_ptd(a + perturb(n, "rank1", self.theta, self.seeds.numpy("none")))
            kinds = {"dplr": legs_states(n, w), "s4d": diagonal_states(n, w), "rank1": states(basis, b, w)}
            for kind, x in kinds.items():
                for i, (at, gain) in enumerate(zip(w, np.linalg.norm(x, axis=1), strict=True)):
                    self.unit(f"{n} {kind} {i}", n=n, kind=kind, w=float(at), gain=float(gain))


# -- the classifier ---------------------------------------------------------------------------------------------------


@modules.register("ptd_ssm/robust", source=f"{SOURCE}, Fig. 4")
class Robust(ClassifierModule):
    """The plain classifier with a rate of its own for the state space parameters, then tested in Fourier noise.

    Every frequency f = 1, 2, ... below half the length of a sequence is added to the same test sequences, one at a time
    (each is one bin of the discrete Fourier transform: skipping some would skip spikes).

    Args:
        ssm_lr: learning rate of Lambda, B and the steps, which are not decayed.
        noisy: test sequences that noise is added to, the first ones; 0 for none.
        amplitude: of the noise, relative to the largest value of a sequence.
        chunk: sequences at a time in the noise.
    """

    net: SequenceClassifier

    def __init__(self, *, ssm_lr: float = 1e-3, noisy: int = 500, amplitude: float = 0.1, chunk: int = 100) -> None:
        super().__init__()
        self.ssm_lr, self.noisy, self.amplitude, self.chunk = ssm_lr, noisy, amplitude, chunk

    def build(self) -> None:
        """The network; its spikes before training."""
        super().build()
        self.untrained = self.spikes()

    def groups(self) -> list[dict[str, object]]:
        """Slow parameters without decay, and the others."""
        slow = self.net.slow()
        kept = {id(p) for p in slow}
        others = [p for p in self.net.parameters() if id(p) not in kept]
        return [{"params": slow, "lr": self.ssm_lr, "weight_decay": 0.0}, {"params": others}]

    @torch.no_grad()
    def spikes(self) -> dict[str, float]:
        """The largest and the mean gain |G(iw)| of the first layer over channels and bins, without 1/cos(angle/2).

        All inits share that factor, which is 48 at the highest bins.
        """
        layer = next((m for m in self.net.modules() if isinstance(m, DiagonalSSM)), None)
        length = self.net.length(self.data.inputs)
        if layer is None or length < 3:
            return {}
        bins = torch.arange(1, (length - 1) // 2 + 1, device=self.data.train.y.device)
        gains = layer.gains(2 * math.pi * bins / length)
        return {"largest": float(gains.max()), "mean": float(gains.mean())}

    def finish(self) -> None:
        """Accuracy without noise and by frequency, the drop to the worst one, spikes, the start's kappa."""
        super().finish()
        self.scalar("start/kappa", self.net.modes.condition)
        self.scalar("start/modes", len(self.net.modes.values))
        for when, found in (("untrained", self.untrained), ("trained", self.spikes())):
            for name, value in found.items():
                self.scalar(f"spike/{when}/{name}", value)
        test = self.data.test
        if test is None or not self.noisy:
            return
        rows = Split(test.x[: self.noisy], test.y[: self.noisy])
        clean = self.right(rows)
        share = {f: self.right(self.noised(rows, f)) for f in range(1, (rows.x.shape[1] - 1) // 2 + 1)}
        for f, accuracy in share.items():
            self.unit(f, frequency=f, accuracy=accuracy)
        worst = min(share, key=lambda f: share[f])
        self.scalar("noise/clean", clean)
        self.scalar("noise/worst", share[worst])
        self.scalar("noise/drop", clean - share[worst])
        self.scalar("noise/worst_frequency", worst)
        self.scalar("noise/mean_drop", clean - sum(share.values()) / len(share))

    def noised(self, rows: Split, frequency: int) -> Split:
        """Sequences with amplitude max_l |u_l| sin(2 pi f l / L) added."""
        return Split(fourier_noise(rows.x, frequency, self.amplitude), rows.y)

    def right(self, rows: Split) -> float:
        """The share of rows that are classified correctly."""
        return float((self.scores(rows, self.chunk).argmax(1) == rows.y).double().mean())


# -- the toy task -----------------------------------------------------------------------------------------------------


@data.register("ptd_ssm/sinusoids", source=f"{SOURCE}, Fig. 3")
class Sinusoids(Data):
    """u(t) = a cos(s t) at t = 0, 1/L, ..., [n, L, 1]; targets (a, s), [n, 2].

    a is uniform in (0.5, 1.5); s in (0, highest) for training and validation, where `val` tests interpolation, and in
    (highest, 2 highest) for testing.

    Args:
        length: L.
        highest: the end of the training frequencies.
        train, val, test: how many.
    """

    def __init__(
        self, *, length: int = 256, highest: float = 60.0, train: int = 2000, val: int = 500, test: int = 500
    ) -> None:
        super().__init__()
        self.length, self.highest, self.sizes = length, highest, {"train": train, "val": val, "test": test}

    def load(self, seeds: Seeds) -> None:
        """Draw from the axes ("data", split)."""
        for name, n in self.sizes.items():
            generator, start = seeds.torch("data", name), self.highest if name == "test" else 0.0
            a, s = torch.rand(2, n, generator=generator, dtype=torch.float64)
            a, s = 0.5 + a, start + self.highest * s
            t = torch.arange(self.length, dtype=torch.float64) / self.length
            x = a[:, None] * torch.cos(s[:, None] * t)
            setattr(self, name, Split(x.float()[..., None], torch.stack([a, s], 1).float()))


def record_answers(module: PaperModule, name: str, split: Split, found: Array, highest: float) -> None:
    """Mean absolute errors of (a, s) on a split, and means by tenths of the frequency range for figures."""
    truth = split.y.double().numpy(force=True)
    error = np.abs(found - truth).mean(0)
    module.scalar(f"{name}/error_a", error[0])
    module.scalar(f"{name}/error_s", error[1])
    module.scalar(f"{name}/least_a", found[:, 0].min())
    tenth = np.minimum(((truth[:, 1] % highest) / highest * 10).astype(int), 9)
    for k in range(10):
        mine = tenth == k
        if mine.any():
            s, a, guess = truth[mine, 1].mean(), truth[mine, 0].mean(), found[mine, 0].mean()
            module.unit(f"{name} {k}", split=name, s=s, a=a, found=guess, error=np.abs(found - truth)[mine, 0].mean())


@modules.register("ptd_ssm/toy", source=f"{SOURCE}, Fig. 3 (a stand-in)", reduced={"state": 4, "channels": 4})
class Toy(PaperModule):
    """Ridge regression of (a, s) on the outputs of a frozen system with `channels` random readouts; one step.

    Features are the root mean squares over time of the readouts' outputs, standardised on the training sequences. The
    step size is 1/L, and D is 0.

    Args:
        state: n.
        channels: readouts.
        start, size: see `assay.linalg.approximate_diagonalization.modes`.
        alpha: of the ridge.
    """

    takes = ("data",)
    block_steps = 1
    device_free = True
    data: Sinusoids

    def __init__(
        self, *, state: int = 32, channels: int = 64, start: Start = "s4d", size: float = 0.1, alpha: float = 1e-3
    ) -> None:
        super().__init__()
        self.state, self.channels, self.start, self.size, self.alpha = state, channels, start, size, alpha

    @property
    def total(self) -> int:
        """One regression."""
        return 1

    def measure_at(self, total: int) -> Iterable[int]:
        """There is no curve."""
        return ()

    def build(self) -> None:
        """The kernels of the frozen system, [channels, L]."""
        found = modes(self.state, self.start, self.size, self.seeds.numpy("E"))
        length = self.data.inputs[0]
        with self.seeds.torch_global("init"), torch.no_grad():
            layer = DiagonalSSM(self.channels, found, dtype=torch.float64)
            layer.log_step.fill_(-math.log(length))
            self.kernels = layer.kernels(length)[0]

    def features(self, x: Tensor) -> Array:
        """RMS over time of every readout's output, [n, channels]."""
        length = x.shape[1]
        spectrum = torch.fft.rfft(x[..., 0].double(), n=2 * length)
        kernels = torch.fft.rfft(self.kernels, n=2 * length)
        found = []
        for part in spectrum.split(100):  # 100 x 64 x 512 numbers stay in the cache
            y = torch.fft.irfft(part[:, None] * kernels, n=2 * length)[..., :length]
            found.append(y.square().mean(2).sqrt())
        return torch.cat(found).numpy()

    def advance(self, start: int, stop: int) -> None:
        """Fit, and answer on the validation and test sequences."""
        preprocessing, linear = (
            importlib.import_module("sklearn.preprocessing"),
            importlib.import_module("sklearn.linear_model"),
        )
        train = self.data.train
        scaler = preprocessing.StandardScaler()
        ridge = linear.Ridge(alpha=self.alpha)
        ridge.fit(scaler.fit_transform(self.features(train.x)), train.y.double().numpy())
        for name in ("val", "test"):
            split = getattr(self.data, name)
            record_answers(
                self, name, split, ridge.predict(scaler.transform(self.features(split.x))), self.data.highest
            )


@modules.register("ptd_ssm/toy_trained", source=f"{SOURCE}, Fig. 3")
class ToyTrained(GradientModule):
    """The toy task with a trained network of two outputs: mean squared error of the standardised (a, s).

    Args:
        ssm_lr: learning rate of Lambda, B and the steps.
    """

    takes = ("data", "model", "optimizer", "schedule")
    data: Sinusoids
    net: SequenceClassifier

    def __init__(self, *, ssm_lr: float = 1e-3) -> None:
        super().__init__()
        self.ssm_lr = ssm_lr

    def build(self) -> None:
        """Draw the network; moments of the targets."""
        with self.seeds.torch_global("init"):
            net: Any = self.model_part(self.data.inputs, 2)
        self.net = net
        slow = self.net.slow()
        kept = {id(p) for p in slow}
        others = [p for p in self.net.parameters() if id(p) not in kept]
        self.optimize([{"params": slow, "lr": self.ssm_lr, "weight_decay": 0.0}, {"params": others}])
        y = self.data.train.y
        self.mean, self.sd = y.mean(0), y.std(0)

    def objective(self, index: Tensor) -> Tensor:
        """Mean squared error."""
        train = self.data.train
        mean, sd = self.mean.to(train.y.device), self.sd.to(train.y.device)
        return (self.net(train.x[index]) - (train.y[index] - mean) / sd).square().mean()

    def measure(self) -> Mapping[str, float]:
        """Nothing but the training loss that steps note."""
        return {}

    @torch.no_grad()
    def finish(self) -> None:
        """Answers on the validation and test sequences."""
        for name in ("val", "test"):
            split = getattr(self.data, name)
            scores = torch.cat([self.net(part) for part in split.x.split(500)])
            found = (scores * self.sd.to(scores) + self.mean.to(scores)).double().numpy(force=True)
            record_answers(self, name, split, found, self.data.highest)
