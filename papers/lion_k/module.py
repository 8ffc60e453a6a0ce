"""Lion-K on problems with a known answer, in continuous time, and on networks.

    lion_k/qp         quadratic programs: does Lion-K minimise F, and does it enter dom K*/lambda as predicted?
    lion_k/ridge      the same programs with SGD and decoupled decay: the control, which minimises a ridge
    lion_k/logistic   logistic regression on a table
    lion_k/ode        the flow, with the Lyapunov function H along it
    lion_k/net        a classifier whose weights are watched
    lion_k/language   the same for a language model

Equations (1)-(3), the method itself, are `assay.optimizers.LionK`; (F), (4), (5) and H stand in `problems.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from assay.autodiff.flush import flushed_denormals
from assay.classifier import ClassifierModule
from assay.data import Split
from assay.errors import UserError
from assay.metrics.weight_bound import WeightBoundMonitor
from assay.module import Block, GradientModule, PaperModule, even_steps, log_steps, modules
from assay.optimizers import Kappa, LionK
from assay.optimizers.kappas import L1, Relativistic
from papers.lion_k.problems import Composite, Flow, Logistic, Quadratics, Smooth, minimum_in_box

SMOOTH_SIGN = Relativistic()

# -- problems with a known answer -------------------------------------------------------------------------------------


class ClosedForm(GradientModule):
    """Any optimizer on a batch of problems whose gradients are known: one step is a step on all of them.

    A subclass says which problems (`problems`) and what to measure. Rows of `x` are the problems' weights.
    """

    takes: ClassVar[tuple[str, ...]] = ("optimizer", "schedule")
    block_steps: ClassVar[int] = 500
    device_free: ClassVar[bool] = True  # double precision on a few hundred numbers: no work for a GPU

    def problems(self) -> Smooth:
        """The problems, from the run's seeds."""
        raise TypeError(f"{type(self).__name__} does not define its problems")

    def build(self) -> None:
        """Start all problems at zero."""
        self.f = self.problems()
        self.x = nn.Parameter(torch.zeros(self.f.shape, dtype=torch.float64))
        self.optimize([self.x])
        self.decay = float(self.optimizer.param_groups[0]["weight_decay"])

    def batch(self, step: int) -> Tensor:
        """A step is on all problems; there are no rows to choose from."""
        return torch.empty(0)

    def gradients(self, index: Tensor) -> Tensor:
        """The gradient as a formula, and the mean of f."""
        x = self.x.detach()
        self.x.grad = self.f.gradient(x)
        return self.f.value(x).mean()

    def measure_at(self, total: int) -> Iterable[int]:
        """Dense at the start, where everything happens."""
        return log_steps(total, 120)


class LionOnProblems(ClosedForm):
    """Lion-K on problems with a known answer: its distance to the minimum of F, and its way into dom K*."""

    def build(self) -> None:
        """Also find the answers."""
        super().build()
        if not isinstance(self.optimizer, LionK) or not self.decay > 0:
            raise UserError("this module needs optimizer=lion_k with a positive optimizer.weight_decay")
        self.kappa: Kappa = self.optimizer.kappa
        self.composite = Composite(self.f, self.kappa, self.decay)
        self.right = self.composite.minimiser() if self.kappa.has_prox else None
        self.start()
        self.monitor = WeightBoundMonitor([self.x], self.kappa, self.decay, rows=True)

    def start(self) -> None:
        """Move `x` from zero, if need be."""

    def after_step(self, step: int) -> None:
        """Watch the excess over dom K*, with the rate that the step really had."""
        self.monitor.update(self.optimizer.param_groups[0]["lr"])

    def gap(self, x: Tensor) -> Tensor:
        """(F(x) - F*)/max(1, |F*|) for each problem, [n].

        Where F has no prox, and so no reference, the certificate stands in for F(x) - F*: it can only be larger.
        """
        value = self.composite.value(x)
        if self.right is None:
            return self.composite.certificate(x) / (-value).clamp_min(1)  # |F*| >= -F(x) as F* <= F(x)
        best = self.composite.value(self.right)
        return (value - best) / best.abs().clamp_min(1)

    def measure(self) -> Mapping[str, float]:
        """The mean gap, the largest excess, and the trajectory of the first problem if it can be drawn."""
        x = self.x.detach()
        values = {"gap/mean": float(self.gap(x).mean()), "excess/max": float(self.monitor.excess.max())}
        if x.shape[1] == 2:
            values |= {"x/1": float(x[0, 0]), "x/2": float(x[0, 1])}
        return values

    def finish(self) -> None:
        """The law of phase 1 for the whole run, and for each problem its gap and its feasibility."""
        self.scalar("excess/violations", self.monitor.violations)
        self.scalar("excess/residual", self.monitor.residual)
        x = self.x.detach()
        rows = {"gap": self.gap(x), "infeasibility": self.composite.infeasibility(x), **self.extra_columns(x)}
        if self.right is not None:
            rows["reference"] = self.composite.certificate(self.right)
            rows["to_right"] = (x - self.right).norm(dim=-1)
        for i in range(len(x)):
            self.unit(i, **{name: float(column[i]) for name, column in rows.items()})

    def extra_columns(self, x: Tensor) -> Mapping[str, Tensor]:
        """Further numbers for each problem, each [n]."""
        return {}

    def extra_state(self) -> dict[str, Any]:
        """What the monitor has seen."""
        return {"monitor": self.monitor.state()}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Restore it."""
        self.monitor.load(state["monitor"])


@modules.register("lion_k/qp", source="arXiv 2310.05898, Theorem 3.1 and its toy problems")
class LionOnQuadratics(LionOnProblems):
    """Lion-K on random quadratic programs.

    Args:
        problems: how many.
        d: their dimension.
        start: at zero, or outside the constraint set at 3 N(0, I)/lambda.
        average: also record the mean gap over the second half of the run, for constant step sizes.
    """

    second_half: Tensor

    def __init__(
        self, *, problems: int = 20, d: int = 20, start: Literal["zero", "outside"] = "zero", average: bool = False
    ) -> None:
        super().__init__()
        self.n, self.d, self.where, self.average = problems, d, start, average
        self.register_buffer("second_half", torch.zeros(problems, dtype=torch.float64))

    def problems(self) -> Quadratics:
        """Drawn from the axes `problem`."""
        return Quadratics.draw(self.seeds, self.n, self.d)

    def start(self) -> None:
        """Drawn from the axes `start`."""
        if self.where == "outside":
            draws = [self.seeds.numpy("start", i).standard_normal(self.d) for i in range(self.n)]
            self.x.data.copy_(3 * torch.from_numpy(np.stack(draws)) / self.decay)

    def after_step(self, step: int) -> None:
        """Also sum the gap over the second half."""
        super().after_step(step)
        if self.average and 2 * step >= self.total:
            self.second_half += self.gap(self.x.detach())

    def finish(self) -> None:
        """Also the mean gap over the second half."""
        super().finish()
        if self.average:
            self.scalar("gap/second_half", self.second_half.mean() / (self.total - self.total // 2))

    def extra_columns(self, x: Tensor) -> Mapping[str, Tensor]:
        """Distances to the minimisers of wrong objectives, and for Lion the gap to scipy's answer."""
        assert isinstance(self.f, Quadratics)
        columns = {}
        if isinstance(self.kappa, L1):
            best = minimum_in_box(self.f, 1 / self.decay)
            columns["gap_scipy"] = (self.f.value(x) - best) / best.abs().clamp_min(1)
        elif self.right is not None:
            columns["to_wrong"] = (x - self.wrong()).norm(dim=-1)
            columns["farther"] = columns["to_wrong"] - 10 * (x - self.right).norm(dim=-1)
        return columns

    def wrong(self) -> Tensor:
        """The minimisers if K* were dropped: its finite part where it has one (box only), else the constraint too."""
        if self.kappa.separable:
            return Composite(self.f, L1(), self.decay).minimiser()
        assert isinstance(self.f, Quadratics)
        return self.f.ridge(0)


@modules.register("lion_k/ridge")
class Ridge(ClosedForm):
    """An optimizer with decoupled decay on the same quadratic programs, against the ridge minimiser.

    Args:
        problems: how many.
        d: their dimension.
    """

    def __init__(self, *, problems: int = 20, d: int = 20) -> None:
        super().__init__()
        self.n, self.d = problems, d

    def problems(self) -> Quadratics:
        """Those of `lion_k/qp`."""
        return Quadratics.draw(self.seeds, self.n, self.d)

    def finish(self) -> None:
        """For each problem: the distance to (Q + lambda I)^-1 b, and lambda max |x_i|, which a box would keep at 1."""
        assert isinstance(self.f, Quadratics)
        x = self.x.detach()
        distance = (x - self.f.ridge(self.decay)).abs().amax(-1)
        for i in range(self.n):
            self.unit(i, to_ridge=float(distance[i]), box=float(x[i].abs().max()) * self.decay)


@modules.register("lion_k/logistic")
class LionOnLogistic(LionOnProblems):
    """Lion-K on full-batch logistic regression with two classes."""

    takes = ("data", "optimizer", "schedule")

    def problems(self) -> Logistic:
        """The training rows, each times the sign of its class."""
        if self.data.classes != 2:
            raise UserError(f"lion_k/logistic needs data with two classes, these have {self.data.classes}")
        sign = 2.0 * self.data.train.y.double() - 1
        return Logistic(self.data.train.x.double() * sign.unsqueeze(-1))


# -- continuous time --------------------------------------------------------------------------------------------------


@modules.register("lion_k/ode", source="arXiv 2310.05898, Theorem 3.1")
class LionFlow(PaperModule):
    """The flow (4)-(5) on quadratic programs by Runge-Kutta, with H sampled along it: one step is one time step.

    The trajectories start inside the constraint set (phase 2), where H is finite.

    Args:
        alpha, gamma, eps, decay: the flow's coefficients, eps gamma <= 1; decay is lambda.
        kappa: a differentiable K.
        trajectories: how many, each with a problem and a start of its own.
        d: dimension.
        dt: length of a time step.
        every: time steps between samples of H.
    """

    block_steps: ClassVar[int] = 1000
    device_free: ClassVar[bool] = True

    x: Tensor
    m: Tensor
    first: Tensor
    last: Tensor
    rise: Tensor

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        gamma: float = 1.0,
        eps: float = 0.5,
        decay: float = 1.0,
        kappa: Kappa = SMOOTH_SIGN,
        trajectories: int = 10,
        d: int = 5,
        dt: float = 1e-3,
        every: int = 10,
    ) -> None:
        super().__init__()
        self.coefficients = {"alpha": alpha, "gamma": gamma, "eps": eps, "decay": decay}
        self.kappa, self.n, self.d, self.dt, self.every = kappa, trajectories, d, dt, every

    def build(self) -> None:
        """Draw problems and starts: lambda x uniform in (-0.9, 0.9), m standard normal."""
        self.flow = Flow(Quadratics.draw(self.seeds, self.n, self.d), self.kappa, **self.coefficients)
        random = [self.seeds.numpy("start", i) for i in range(self.n)]
        x = torch.from_numpy(np.stack([r.uniform(-0.9, 0.9, self.d) for r in random])) / self.flow.decay
        m = torch.from_numpy(np.stack([r.standard_normal(self.d) for r in random]))
        self.register_buffer("x", x)
        self.register_buffer("m", m)
        # H and its rise: row 0 with the paper's factor c, row 1 with 1 - eps gamma, the control.
        h = self.both()
        self.register_buffer("first", h)
        self.register_buffer("last", h.clone())
        self.register_buffer("rise", torch.full_like(h, -torch.inf))

    def both(self) -> Tensor:
        """H with the right and with the wrong factor, [2, n]."""
        wrong = 1 - self.flow.eps * self.flow.gamma
        return torch.stack([self.flow.lyapunov(self.x, self.m), self.flow.lyapunov(self.x, self.m, wrong)])

    def advance(self, start: int, stop: int) -> None:
        """Time steps start, ..., stop-1."""
        for step in range(start, stop):
            self.x, self.m = self.flow.step(self.x, self.m, self.dt)
            if (step + 1) % self.every == 0:
                h = self.both()
                self.rise, self.last = torch.maximum(self.rise, h - self.last), h

    def measure_at(self, total: int) -> Iterable[int]:
        """Evenly in time."""
        return even_steps(total, 160)

    def measure(self) -> Mapping[str, float]:
        """H and its parts on the first trajectory."""
        parts = self.flow.parts(self.x, self.m)
        values = {f"H/{name}": float(part[0]) for name, part in parts.items()}
        values["H/momentum"] *= self.flow.c
        return {"H/all": float(self.flow.lyapunov(self.x, self.m)[0]), **values}

    def finish(self) -> None:
        """For each trajectory the largest increase of H between samples, relative to its total fall."""
        relative = self.rise / (self.first - self.last)
        for i in range(self.n):
            self.unit(i, increase=float(relative[0, i]), increase_control=float(relative[1, i]))


# -- networks ---------------------------------------------------------------------------------------------------------


@modules.register("lion_k/net", source="arXiv 2310.05898")
class LionNet(ClassifierModule):
    """A classifier whose decayed weights are watched: are they bounded by 1/lambda, and how do they get there?

    Args:
        decay: which parameters are decayed; biases and normalisation are exempt by default, because scales that start
            at 1 would be forced to 1/lambda.
        early: fraction of the run after which the training loss is recorded as well.
        bars: bars of the histogram of the weights.
    """

    final_splits = ("train", "val", "test")

    def __init__(self, *, decay: Literal["all", "weights"] = "weights", early: float = 0.1, bars: int = 61) -> None:
        super().__init__(decay=decay)
        self.early, self.bars = early, bars

    def build(self) -> None:
        """Also start the monitor, where the optimizer promises a bound."""
        super().build()
        group = self.optimizer.param_groups[0]
        self.weights, self.strength = list(group["params"]), float(group["weight_decay"])
        self.monitor: WeightBoundMonitor | None = None
        if isinstance(self.optimizer, LionK) and self.strength > 0:
            self.monitor = WeightBoundMonitor(self.weights, self.optimizer.kappa, self.strength)

    def training_step(self, block: Block, batch_idx: int) -> None:
        """One block; weights of dark pixels, decayed and never pushed back, leave the normal numbers."""
        with flushed_denormals():
            super().training_step(block, batch_idx)

    def after_step(self, step: int) -> None:
        """Watch the excess over dom K*, with the rate that the step really had."""
        if self.monitor is not None:
            self.monitor.update(self.optimizer.param_groups[0]["lr"])

    def measure_at(self, total: int) -> Iterable[int]:
        """Evenly, and at the early moment."""
        return {*even_steps(total, 30), round(self.early * total)}

    def measure(self) -> Mapping[str, float]:
        """The largest weight, as a multiple of the bound 1/lambda (of 1 at lambda = 0)."""
        if self.steps_done == round(self.early * self.total):
            self.scalar("train/early", self.cross_entropy())
        return {**super().measure(), "box/max": self.largest() * (self.strength or 1.0)}

    def largest(self) -> float:
        """max |w| over the decayed weights."""
        return max(float(w.detach().abs().max()) for w in self.weights)

    def cross_entropy(self) -> float:
        """Cross entropy on the whole training set."""
        return float(nn.functional.cross_entropy(self.scores(self.data.train), self.data.train.y))

    def finish(self) -> None:
        """Also the largest weight, the law of phase 1 and the histogram."""
        super().finish()
        self.report_weights()

    def report_weights(self) -> None:
        """The largest weight, violations of the law of phase 1, and the histogram."""
        self.scalar("weights/max", self.largest())
        self.scalar("box/max", self.largest() * (self.strength or 1.0))
        if self.monitor is not None:
            self.scalar("excess/violations", self.monitor.violations)
            self.scalar("excess/residual", self.monitor.residual)
        self.histogram()

    def histogram(self) -> None:
        """The share of decayed weights in bars that reach a little beyond the bound; the last bars hold the rest."""
        edge = 1.2 / self.strength if self.strength else self.largest()
        weights = torch.cat([w.detach().flatten() for w in self.weights]).float().cpu()
        counts = torch.histc(weights.clamp(-edge, edge), self.bars, -edge, edge)
        width = 2 * edge / self.bars
        for i, count in enumerate(counts):
            self.unit(f"bar {i}", weight=-edge + (i + 0.5) * width, share=float(count) / len(weights))

    def extra_state(self) -> dict[str, Any]:
        """What the monitor has seen."""
        return {} if self.monitor is None else {"monitor": self.monitor.state()}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Restore it."""
        if self.monitor is not None:
            self.monitor.load(state["monitor"])


@modules.register("lion_k/language", source="arXiv 2310.05898")
class LionLanguage(LionNet):
    """A language model whose decayed weights are watched; rows are x [n, length] and the next tokens y [n, length].

    Args:
        decay: which parameters are decayed.
        bars: bars of the histogram of the weights.
        chunk: rows at a time in evaluation.
    """

    def __init__(self, *, decay: Literal["all", "weights"] = "weights", bars: int = 61, chunk: int = 8) -> None:
        super().__init__(decay=decay, bars=bars)
        self.chunk = chunk

    def objective(self, index: Tensor) -> Tensor:
        """Mean loss over all tokens of the rows `index`."""
        x, y = self.data.train.x[index], self.data.train.y[index]
        every = index.repeat_interleave(y.shape[1])
        loss: Tensor = self.loss(self.net(x).flatten(0, 1), y.flatten(), every)
        return loss.mean()

    def measure(self) -> Mapping[str, float]:
        """Cross entropy per token on validation rows, in nats, and the largest weight."""
        values = {"box/max": self.largest() * (self.strength or 1.0)}
        return values if self.data.val is None else {"val/cross_entropy": self.per_token(self.data.val), **values}

    @torch.no_grad()
    def per_token(self, split: Split) -> float:
        """Mean cross entropy of the next token, in nats."""
        training, _ = self.net.training, self.net.eval()
        parts = zip(split.x.split(self.chunk), split.y.split(self.chunk), strict=True)
        losses = [
            nn.functional.cross_entropy(self.net(x).flatten(0, 1).float(), y.flatten()) * len(x) for x, y in parts
        ]
        self.net.train(training)
        return float(torch.stack(losses).sum() / len(split))

    def finish(self) -> None:
        """Validation loss, the law of phase 1 and the histogram."""
        if self.data.val is not None:
            self.scalar("val/cross_entropy", self.per_token(self.data.val))
        self.report_weights()
