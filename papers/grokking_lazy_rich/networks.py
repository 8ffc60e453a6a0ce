"""Networks and tasks beyond the committee machine: when does training succeed, when testing, and how large are weights?

`Delay` trains any classifier with any loss, `DelayedRegression` any network on vector targets. Both evaluate themselves
every few steps, much more often than curves have points, because the times of crossing are what is measured. The
output scale alpha comes with the model (`model=centred`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from assay.classifier import ClassifierModule
from assay.data import Split
from assay.metrics.crossing import at_time, last_crossing
from assay.models import models
from assay.module import modules
from papers.grokking_lazy_rich.module import SOURCE, TOLERANCE

MOST_POINTS = 75
"""Points on a curve."""


@modules.register("grokking_lazy_rich/delay", source=f"{SOURCE}, Sections 4 and 6")
class Delay(ClassifierModule):
    """A classifier, with the steps at which training and test accuracy pass 0.9 for good and |w| at these steps.

    Args:
        every: steps between two evaluations, which bound the resolution of the times.
    """

    logged: ClassVar[tuple[str, ...]] = ("train/accuracy", "train/loss", "test/accuracy", "test/loss", "weights/norm")
    level: ClassVar[float] = 0.9

    history: Tensor

    def __init__(self, *, every: int = 10) -> None:
        super().__init__()
        self.every = every

    def build(self) -> None:
        """Draw the network; the evaluations of the whole run are a buffer, so that checkpoints hold them."""
        self.draw()
        rows = math.ceil(self.total / self.every) + 1
        self.register_buffer("history", torch.full((rows, len(self.logged)), math.nan, dtype=torch.float64))

    def draw(self) -> None:
        """Network, loss and optimizer."""
        super().build()

    def advance(self, start: int, stop: int) -> None:
        """Optimizer steps start, ..., stop-1."""
        if start == 0:
            self.evaluate(0)
        super().advance(start, stop)

    def after_step(self, step: int) -> None:
        """Evaluate after every `every` steps and after the last."""
        if (step + 1) % self.every == 0 or step + 1 == self.total:
            self.evaluate(step + 1)

    def evaluate(self, step: int) -> None:
        """Put the network's state after `step` steps into its row of the history."""
        squares = [p.detach().square().sum() for p in self.net.parameters() if p.requires_grad]
        assert self.data.test is not None
        row = [*self.judge(self.data.train), *self.judge(self.data.test), torch.stack(squares).sum().sqrt()]
        self.history[math.ceil(step / self.every)] = torch.stack([value.double() for value in row])

    @torch.no_grad()
    def judge(self, split: Split) -> tuple[Tensor, Tensor]:
        """Accuracy and mean loss on a split."""
        scores = self.scores(split)
        return (scores.argmax(1) == split.y).double().mean(), self.loss(scores, split.y).mean()

    def measure_at(self, total: int) -> Iterable[int]:
        """Evaluated steps, at most about 75 of them."""
        stride = self.every * math.ceil(math.ceil(total / self.every) / MOST_POINTS)
        return sorted({*range(0, total + 1, max(stride, 1)), total})

    def measure(self) -> Mapping[str, float]:
        """The last evaluation."""
        if self.steps_done == 0:
            self.evaluate(0)
        row = self.history[math.ceil(self.steps_done / self.every)].tolist()
        return dict(zip(self.logged, row, strict=True))

    def finish(self) -> None:
        """Times of crossing in steps (T where there is none: censored), and the weights' norm at these times."""
        steps = [min(row * self.every, self.total) for row in range(len(self.history))]
        column = dict(zip(self.logged, self.history.T.tolist(), strict=True))
        for name, values in column.items():
            self.scalar(name, values[-1])
        times = {n: last_crossing(steps, column[f"{n}/accuracy"], self.level, rising=True) for n in ("train", "test")}
        seen = {name: min(time, float(self.total)) for name, time in times.items()}
        norm = {name: at_time(steps, column["weights/norm"], time) for name, time in times.items()}
        self.scalar("crossing/train", seen["train"])
        self.scalar("crossing/test", seen["test"])
        self.scalar("crossing/ratio", seen["test"] / seen["train"])
        self.scalar("crossing/delay", math.log10(seen["test"] / seen["train"]))
        self.scalar("crossing/censored", not math.isfinite(sum(times.values())))
        self.scalar("weights/growth_at_test", norm["test"] / column["weights/norm"][0])
        self.scalar("weights/growth_between", norm["test"] / norm["train"])


@modules.register("grokking_lazy_rich/delayed_regression", source=f"{SOURCE}, Section 6")
class DelayedRegression(Delay):
    """A network on vector targets under squared error; accuracy is the share of points with an error below 0.001.

    Args:
        every: steps between two evaluations, which bound the resolution of the times.
    """

    takes = ("data", "model", "optimizer", "schedule")

    def draw(self) -> None:
        """A network with as many outputs as the targets have, and its optimizer."""
        with self.seeds.torch_global("init"):
            self.net = self.model_part(self.data.inputs, self.data.train.y.shape[1])
        self.optimize(self.groups())

    def objective(self, index: Tensor) -> Tensor:
        """Mean squared error on the rows `index`, over rows and outputs."""
        train = self.data.train
        return F.mse_loss(self.net(train.x[index]), train.y[index])

    @torch.no_grad()
    def judge(self, split: Split) -> tuple[Tensor, Tensor]:
        """Share of points with a mean squared error below the tolerance, and the mean of the errors."""
        errors = ((self.scores(split) - split.y) ** 2).mean(1)
        return (errors < TOLERANCE).double().mean(), errors.mean()


@models.register("grokking_lazy_rich/quadratic", source="Gromov (2023), arXiv 2301.02679", reduced={"hidden": 8})
class QuadraticNet(nn.Module):
    """f(x) = (1/N) W2 (W1 x / sqrt(n))^2 with the elementwise square, all weights N(0, 1), in float64.

    Args:
        inputs: shape of one input, n numbers in all.
        outputs: number of outputs.
        hidden: N.
    """

    def __init__(self, inputs: tuple[int, ...], outputs: int, *, hidden: int = 100) -> None:
        super().__init__()
        n = math.prod(inputs)
        self.w1 = nn.Parameter(torch.randn(hidden, n, dtype=torch.float64))
        self.w2 = nn.Parameter(torch.randn(outputs, hidden, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [batch, outputs] of inputs [batch, *inputs]."""
        x = x.flatten(1).to(self.w1.dtype)
        h = x @ self.w1.T / math.sqrt(x.shape[1])
        return h**2 @ self.w2.T / len(self.w1)


@models.register(
    "grokking_lazy_rich/transformer",
    source="Nanda et al. (2023), arXiv 2301.05217",
    reduced={"width": 16, "heads": 2, "mlp": 32},
)
class Transformer(nn.Module):
    """One causal transformer layer without normalisation; scores are read at the last token.

    Weights are N(0, 1/width), those of the unembedding N(0, 1/(outputs + 1)), biases zero and in the MLP alone.

    Args:
        inputs: (length,) of the token sequences.
        outputs: number of classes; the vocabulary has one token more.
        width: of the residual stream.
        heads: attention heads, which share the width.
        mlp: units of the ReLU layer.
    """

    def __init__(
        self, inputs: tuple[int, ...], outputs: int, *, width: int = 128, heads: int = 4, mlp: int = 512
    ) -> None:
        super().__init__()
        self.heads = heads
        self.embed = nn.Embedding(outputs + 1, width)
        self.position = nn.Parameter(torch.randn(inputs[0], width) / math.sqrt(width))
        self.qkv, self.mix = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, mlp), nn.Linear(mlp, width)
        self.unembed = nn.Linear(width, outputs, bias=False)
        for layer in (self.embed, self.qkv, self.mix, self.up, self.down):
            nn.init.normal_(layer.weight, std=width**-0.5)
        nn.init.normal_(self.unembed.weight, std=(outputs + 1) ** -0.5)
        nn.init.zeros_(self.up.bias)
        nn.init.zeros_(self.down.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Scores [batch, outputs] of tokens [batch, length]."""
        h: Tensor = self.embed(x) + self.position
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.qkv(h).chunk(3, dim=2))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = h + self.mix(attended.transpose(1, 2).flatten(2))
        h = h + self.down(F.relu(self.up(h)))
        scores: Tensor = self.unembed(h[:, -1])
        return scores
