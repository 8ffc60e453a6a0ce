"""Training compared with the closed-form geometry: free features, and a network that ends in linear layers.

    linear_collapse/layers         gradient descent on free features and M linear layers, then L-BFGS
    linear_collapse/threshold      minima from three starts as the decay crosses the thresholds of minority collapse
    linear_collapse/cross_entropy  minima with cross entropy, beside the simplex ETF and two frames of lower rank
    linear_collapse/network        a network with M linear layers on top, decayed features and free of other decay

The model is `assay.models.unconstrained_features`, the closed forms are in `theory.py`, and NC1, NC2 and NC3 in
`assay.metrics.neural_collapse`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from assay.metrics.neural_collapse import (
    class_means,
    etf_gram,
    frame_distance,
    mean_abs_cosine,
    rows_against_means,
    within_over_between,
)
from assay.models.unconstrained_features import UnconstrainedFeatures
from assay.module import Diverged, GradientModule, PaperModule, log_steps, modules
from assay.solvers.lbfgs import lbfgs
from papers.linear_collapse.theory import (
    Prediction,
    best_scale,
    candidates,
    decay_for,
    largest_root,
    nearest_candidate,
    threshold,
    tie,
)

Array = NDArray[np.float64]
SOURCE = "arXiv 2301.00437"

# -- geometry ---------------------------------------------------------------------------------------------------------


def frames(products: Sequence[Array], means: Array, prediction: Prediction | None, classes: int) -> dict[str, float]:
    """Distances of NC2 and NC3 to three targets: I, the simplex ETF, and the predicted frame.

    products: W_M ... W_j for j = 1, ..., M, [K, .] each; means: Hbar^T [K, d]. `nc2/products` is the largest distance
    over j; `distance` the largest and `closest` the smallest over all products, the means, and A Hbar.
    """
    targets: dict[str, list[Array]] = {
        "identity": [np.eye(classes)] * (len(products) + 2),
        "etf": [etf_gram(classes)] * (len(products) + 2),
    }
    if prediction is not None:
        of_products = [prediction.gram_of_product(j) for j in range(len(products))]
        targets["frame"] = [*of_products, prediction.feature_gram, prediction.cross]
    grams = [*(p @ p.T for p in products), means @ means.T, products[0] @ means.T]
    found = {}
    for name, target in targets.items():
        distances = [frame_distance(gram, wanted) for gram, wanted in zip(grams, target, strict=True)]
        found[f"nc2/products/{name}"] = max(distances[:-2])
        found[f"nc2/features/{name}"], found[f"nc3/{name}"] = distances[-2:]
        found[f"distance/{name}"], found[f"closest/{name}"] = max(distances), min(distances)
    return found


def log_slope(n: Array, lengths: Array) -> float:
    """The least-squares slope of log lengths on log n."""
    return float(np.polyfit(np.log(n), np.log(lengths), 1)[0])


# -- free features, squared error -------------------------------------------------------------------------------------


@modules.register("linear_collapse/layers", source=f"{SOURCE}, Secs. 3 and 4")
class Layers(PaperModule):
    """Gradient descent with momentum on all layers and all features at once, then L-BFGS from where it ended.

    A step is a step of gradient descent on the full problem. Curves show descent; final scalars are after L-BFGS, and
    under `descent/` before it.

    Args:
        counts: samples n_k by class.
        width: d, of the features and of every inner layer.
        depth: M.
        bias: whether the last layer has a bias, which is not decayed; balanced classes only.
        decay: lH and every lW_j.
        std: of every entry at the start.
        lr, momentum: of the descent.
    """

    block_steps = 500
    device_free = True

    def __init__(
        self,
        *,
        counts: Sequence[int] = (50, 50, 50, 50),
        width: int = 32,
        depth: int = 1,
        bias: bool = False,
        decay: float = 5e-4,
        std: float = 0.1,
        lr: float = 0.1,
        momentum: float = 0.9,
    ) -> None:
        super().__init__()
        self.problem = UnconstrainedFeatures(tuple(counts), width, (decay,) * depth, decay, bias=bias)
        self.prediction = Prediction(self.problem)
        self.std, self.lr, self.momentum = std, lr, momentum

    def build(self) -> None:
        """A random start at rest."""
        self.theta = self.problem.random(self.seeds.numpy("init"), self.std)
        self.velocity = np.zeros_like(self.theta)

    def measure_at(self, total: int) -> Iterable[int]:
        """About 50 steps, evenly spaced in log."""
        return log_steps(total, 50)

    def advance(self, start: int, stop: int) -> None:
        """v <- momentum v + gradient, theta <- theta - lr v."""
        value = 0.0
        for _ in range(start, stop):
            value, gradient = self.problem.value_and_gradient(self.theta)
            self.velocity *= self.momentum
            self.velocity += gradient
            self.theta -= self.lr * self.velocity
        if not math.isfinite(value):
            raise Diverged(f"the loss is {value} at step {stop}")

    def measure(self) -> Mapping[str, float]:
        """Loss over the theoretical minimum, NC1, and the distances to the predicted frame."""
        found = self.geometry(self.theta)
        shown = ("loss/excess", "nc1", "nc2/products/frame", "nc2/features/frame", "nc3/frame", "nc3/rows")
        return {name: found[name] for name in shown}

    def geometry(self, theta: Array) -> dict[str, float]:
        """Everything that checks and curves read, at theta."""
        problem, prediction = self.problem, self.prediction
        value = problem.value_and_gradient(theta)[0]
        weights, h, _ = problem.split(theta)
        products = problem.products(weights)[:-1]
        means = class_means(h.T, problem.labels, problem.classes)
        gram = products[0] @ products[0].T
        return {
            "loss/final": value,
            "loss/excess": value / prediction.loss - 1,
            "gram/error": float(np.linalg.norm(gram - prediction.gram) / np.linalg.norm(prediction.gram)),
            "nc1": within_over_between(h.T, problem.labels, problem.classes),
            "nc3/rows": rows_against_means(products[0], means, prediction.row_scale),
            **frames(products, means, prediction, problem.classes),
        }

    def finish(self) -> None:
        """Polish; final scalars, and the lengths of every class."""
        for name, value in self.measure().items():
            self.scalar(f"descent/{name}", value)
        found = lbfgs(self.problem.value_and_gradient, self.theta)
        final = self.geometry(found.x)
        for name, value in final.items():
            self.scalar(name, value)
        self.scalar("loss/difference", abs(final["loss/excess"]))
        self.scalar("polish/iterations", found.iterations)
        self.scalar("polish/gradient", found.gradient)
        self.lengths(found.x)

    def lengths(self, theta: Array) -> None:
        """||w_k||^2 and ||hbar_k||^2 with what is predicted; slopes in n_k where classes differ."""
        problem, prediction = self.problem, self.prediction
        weights, h, _ = problem.split(theta)
        rows = (problem.products(weights)[0] ** 2).sum(1)
        means = (class_means(h.T, problem.labels, problem.classes) ** 2).sum(1)
        said, said_means = np.diag(prediction.gram), np.diag(prediction.feature_gram)
        for k, n in enumerate(problem.counts):
            values = {"w2": rows[k], "w2/predicted": said[k], "h2": means[k], "h2/predicted": said_means[k]}
            self.unit(f"class {k}", n=n, **values)
        n = np.array(problem.counts, dtype=float)
        if np.ptp(n) > 0 and said.min() > 0:
            slope, predicted = log_slope(n, rows), log_slope(n, said)
            self.scalar("slope/measured", slope)
            self.scalar("slope/predicted", predicted)
            self.scalar("slope/relative_error", abs(slope / predicted - 1))

    def extra_state(self) -> dict[str, Any]:
        """Where the descent is."""
        return {name: torch.from_numpy(getattr(self, name).copy()) for name in ("theta", "velocity")}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Restore it."""
        self.theta, self.velocity = (state[name].numpy().copy() for name in ("theta", "velocity"))


STARTS = ("predicted", "alive", "random")


@modules.register("linear_collapse/threshold", source=f"{SOURCE}, Sec. 4", reduced={"levels": [5.66]})
class Threshold(PaperModule):
    """L-BFGS from three starts at several decays l = lH = lW_j; a step is one start at one decay.

    "predicted" starts at the closed form, "alive" has every class at its largest root (where there is none, at the
    tie's x; at x = 1 for M = 1), both with noise; "random" knows nothing. x = 0 is a local minimum for M >= 2, so it is
    the start "alive" that tests the threshold: just above it, it stays alive at a higher loss.

    Args:
        counts: samples n_k by class.
        width: d.
        depth: M.
        levels: the decays, as values of B / t_M.
        std: of the random start.
        noise: added to every entry of the other two.
    """

    block_steps = 3
    device_free = True

    def __init__(
        self,
        *,
        counts: Sequence[int] = (128, 64, 32, 16, 8, 4),
        width: int = 16,
        depth: int = 1,
        levels: Sequence[float] = (2.83, 5.66, 11.3, 14.4, 17.6, 22.6, 45.3, 90.5),
        std: float = 0.3,
        noise: float = 0.02,
    ) -> None:
        super().__init__()
        self.counts, self.width, self.depth = tuple(counts), width, depth
        self.cells = [(level, start) for level in levels for start in STARTS]
        self.std, self.noise = std, noise

    @property
    def total(self) -> int:
        """One step a start at a decay."""
        return len(self.cells)

    def measure_at(self, total: int) -> Iterable[int]:
        """There is no curve."""
        return ()

    def advance(self, start: int, stop: int) -> None:
        """The cells start, ..., stop-1."""
        for index in range(start, stop):
            self.solve(index, *self.cells[index])

    def solve(self, index: int, level: float, start: str) -> None:
        """One polish; a unit a class."""
        samples = sum(self.counts)
        decay = decay_for(level * threshold(self.depth), samples, self.depth)
        problem = UnconstrainedFeatures(self.counts, self.width, (decay,) * self.depth, decay)
        prediction = Prediction(problem)
        found = lbfgs(problem.value_and_gradient, self.begin(prediction, start, self.seeds.numpy("start", index)))
        weights, h, _ = problem.split(found.x)
        rows = (problem.products(weights)[0] ** 2).sum(1)
        means = (class_means(h.T, problem.labels, problem.classes) ** 2).sum(1)
        for k, n in enumerate(self.counts):
            self.unit(
                f"{level:g}, {start}, class {k}",
                level=level,
                start=start,
                n=n,
                ratio=prediction.total / n / threshold(self.depth),
                loss=found.value,
                excess=found.value / prediction.loss - 1,
                size=means[k] / max(means.max(), np.finfo(float).tiny),
                w2=rows[k],
                predicted=prediction.sig2[k],
            )

    def begin(self, prediction: Prediction, start: str, generator: np.random.Generator) -> Array:
        """theta at the start."""
        problem = prediction.problem
        if start == "random":
            return problem.random(generator, self.std)
        x = prediction.x
        if start == "alive":
            fallback = tie(self.depth) if self.depth > 1 else 1.0
            roots = [largest_root(prediction.total / n, self.depth) for n in problem.counts]
            x = np.array([fallback if root is None else root for root in roots])
        return prediction.factors(x, generator) + problem.random(generator, self.noise)


# -- free features, cross entropy -------------------------------------------------------------------------------------


@modules.register("linear_collapse/cross_entropy", source=f"{SOURCE}, theorem on cross entropy")
class CrossEntropy(PaperModule):
    """L-BFGS from a random start with one sample a class and all sizes K, beside the candidates; one step.

    Entries start as N(0, 1/K).

    Args:
        classes: K.
        depth: M.
        c: lH and every lW_j, which is (lH n prod lW)^(1/(M+1)) for n = 1.
    """

    block_steps = 1
    device_free = True

    def __init__(self, *, classes: int = 4, depth: int = 1, c: float = 1e-2) -> None:
        super().__init__()
        self.problem = UnconstrainedFeatures((1,) * classes, classes, (c,) * depth, c, error="cross_entropy")
        self.classes, self.depth, self.c = classes, depth, c

    @property
    def total(self) -> int:
        """One search."""
        return 1

    def measure_at(self, total: int) -> Iterable[int]:
        """There is no curve."""
        return ()

    def advance(self, start: int, stop: int) -> None:
        """The search, and the candidates."""
        theta = self.problem.random(self.seeds.numpy("init"), 1 / math.sqrt(self.classes))
        found = lbfgs(self.problem.value_and_gradient, theta)
        weights, h, _ = self.problem.split(found.x)
        z = self.problem.products(weights)[0] @ h
        nearest, distance = nearest_candidate(z)
        losses = {name: best_scale(t, self.depth, self.c)[1] for name, t in candidates(self.classes).items()}
        for name, loss in losses.items():
            self.scalar(f"loss/{name}", loss)
            self.scalar(f"found/{name}", nearest == name)
        self.scalar("found/zero", nearest == "zero")
        self.scalar("found/spectrum_distance", distance)
        self.scalar("loss/lbfgs", found.value)
        self.scalar("loss/competitor", min(loss for name, loss in losses.items() if name != "etf"))
        self.scalar("rank", np.linalg.matrix_rank(z, tol=1e-4 * max(float(np.linalg.norm(z, 2)), 1e-12)))
        self.scalar("etf/distance", frame_distance(z, etf_gram(self.classes)))
        self.scalar("polish/iterations", found.iterations)
        self.scalar("polish/gradient", found.gradient)


# -- a network --------------------------------------------------------------------------------------------------------


@modules.register("linear_collapse/network", source=f"{SOURCE}, experiments", reduced={"width": 8})
class Network(GradientModule):
    """A backbone, batch normalisation, and M linear layers without biases; features and layers are decayed.

    A batch of b rows costs error + (lW/2) sum_j ||W_j||^2 + (lH/2) (N/b) sum over the batch of ||h_i||^2, so that lH is
    that of the theory; the error is sum ||o - y||^2 / (2b) or the mean cross entropy. h is what comes out of the
    normalisation. The backbone is not decayed. The last rows of an epoch are left out where they fill no batch.

    Args:
        depth: M.
        width: of the features and of the inner linear layers.
        decay_w, decay_h: lW_j and lH.
        error: "squared" or "cross_entropy".
        scale: initial weight of the normalisation: features start with ||h||^2 of about width * scale^2.
    """

    takes = ("data", "model", "optimizer", "schedule")

    def __init__(
        self,
        *,
        depth: int = 1,
        width: int = 256,
        decay_w: float = 4e-4,
        decay_h: float = 4e-4,
        error: Literal["squared", "cross_entropy"] = "squared",
        scale: float = 0.02,
    ) -> None:
        super().__init__()
        self.depth, self.width, self.scale = depth, width, scale
        self.decay_w, self.decay_h, self.error = decay_w, decay_h, error

    def build(self) -> None:
        """Networks, and what the theory says of the class counts."""
        with self.seeds.torch_global("init"):
            self.backbone = self.model_part(self.data.inputs, self.width)
            self.norm = nn.BatchNorm1d(self.width)
            nn.init.constant_(self.norm.weight, self.scale)
            widths = [self.width] * self.depth + [self.data.classes]
            self.head = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in itertools.pairwise(widths))
        self.optimize(self.parameters())
        counts = torch.bincount(self.data.train.y, minlength=self.data.classes).tolist()
        problem = UnconstrainedFeatures(
            tuple(counts), self.width, (self.decay_w,) * self.depth, self.decay_h, error=self.error
        )
        self.problem = problem
        self.prediction = Prediction(problem) if self.error == "squared" else None

    @property
    def total(self) -> int:
        """Steps in all; epochs hold whole batches only."""
        if self.budget.steps is not None or self.budget.epochs is None:
            return super().total
        return self.budget.epochs * max(len(self.data.train) // self.size, 1)

    @property
    def size(self) -> int:
        """Rows of a batch."""
        return min(self.budget.batch or len(self.data.train), len(self.data.train))

    def batch(self, step: int) -> Tensor:
        """Positions of a step's rows, [batch]."""
        samples = len(self.data.train)
        epoch, within = divmod(step, samples // self.size)
        return super().batch(epoch * math.ceil(samples / self.size) + within)

    def features(self, x: Tensor) -> Tensor:
        """h [batch, d]."""
        h: Tensor = self.norm(self.backbone(x))
        return h

    def scores(self, h: Tensor) -> Tensor:
        """W_M ... W_1 h, [batch, K]."""
        for layer in self.head:
            h = layer(h)
        return h

    def fit(self, scores: Tensor, y: Tensor) -> Tensor:
        """The error of a batch."""
        if self.error == "cross_entropy":
            return nn.functional.cross_entropy(scores, y)
        target = nn.functional.one_hot(y, scores.shape[1]).to(scores.dtype)
        return (scores - target).square().sum() / (2 * len(y))

    def objective(self, index: Tensor) -> Tensor:
        """The batch's error, and decay of layers and features."""
        train = self.data.train
        h = self.features(train.x[index])
        layers = sum(layer.weight.square().sum() for layer in self.head)
        features = h.square().sum() * (len(train) / len(index))
        return self.fit(self.scores(h), train.y[index]) + self.decay_w / 2 * layers + self.decay_h / 2 * features

    def measure_at(self, total: int) -> Iterable[int]:
        """About 25 steps, evenly spaced in log."""
        return log_steps(total, 25)

    @torch.no_grad()
    def measure(self) -> Mapping[str, float]:
        """Geometry of all training rows in evaluation mode, and the loss against the theoretical minimum."""
        h, y = self.all_features()
        rows, classes = len(y), self.data.classes
        weights = [layer.weight.double().numpy(force=True) for layer in self.head]
        products = self.problem.products(weights)[:-1]
        means = class_means(h, y, classes)
        scores = torch.from_numpy(h @ products[0].T)
        penalty = self.decay_w * sum(float((w**2).sum()) for w in weights) + self.decay_h * float((h**2).sum())
        loss = float(self.fit(scores, torch.from_numpy(y))) + penalty / 2
        found = {
            "loss/full": loss,
            "train/accuracy": float((scores.argmax(1).numpy() == y).sum() / rows),
            "nc1": within_over_between(h, y, classes),
            "cosine": mean_abs_cosine(means),
            **frames(products, means, self.prediction, classes),
        }
        if self.prediction is not None:
            found["loss/ratio"] = loss / self.prediction.loss
            said = np.diag(self.prediction.feature_gram)
            if np.ptp(said) > 1e-12 * said.max():
                found["correlation"] = float(np.corrcoef((means**2).sum(1), said)[0, 1])
        return found

    @torch.no_grad()
    def all_features(self) -> tuple[Array, NDArray[np.int64]]:
        """h [N, d] in float64 and y [N] of the training rows, in evaluation mode."""
        modes = {module: module.training for module in (self.backbone, self.norm)}
        for module in modes:
            module.eval()
        h = torch.cat([self.features(part) for part in self.data.train.x.split(2048)])
        for module, training in modes.items():
            module.train(training)
        return h.double().numpy(force=True), self.data.train.y.numpy(force=True)

    def finish(self) -> None:
        """The geometry at the end, and the length of every class mean."""
        for name, value in self.measure().items():
            self.scalar(name, value)
        h, y = self.all_features()
        lengths = (class_means(h, y, self.data.classes) ** 2).sum(1)
        said = None if self.prediction is None else np.diag(self.prediction.feature_gram)
        for k, n in enumerate(self.problem.counts):
            more = {} if said is None else {"h2/predicted": said[k]}
            self.unit(f"class {k}", n=n, h2=lengths[k], **more)
