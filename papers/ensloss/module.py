"""A binary classifier f trained on losses of its margin y f(x), and how far it overfits.

The method is the loss, `assay.losses.ens_loss`; a training step is the plain one. Added here: one score a sample,
slopes from a random axis of their own, and what the paper measures, the accuracy after the last epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from assay.classifier import ClassifierModule
from assay.data.base import Split
from assay.errors import UserError
from assay.losses.ens_loss import EnsLoss
from assay.losses.margin import Phi
from assay.module import even_steps, modules
from papers.ensloss.data import excess_risk

CURVE_ROWS = 2000
"""Rows that a point of a curve is measured on; what is judged is measured on all rows, after the last step."""


def first(split: Split) -> Split:
    """A split's first rows, as many as a point of a curve needs."""
    return Split(split.x[:CURVE_ROWS], split.y[:CURVE_ROWS])


@modules.register("ensloss/classifier", source="arXiv 2409.00908")
class EnsClassifier(ClassifierModule):
    """A network with one output on data with two classes; it predicts the second class where f > 0.

    Network, data and the order of batches depend on the seed alone, so that arms share them. Scalars: `train/accuracy`
    (evaluation mode, on the labels trained on), `val/accuracy`, `test/accuracy`, `gap` (train minus test accuracy);
    `test/excess`, the risk beyond the Bayes rule's, where P(Y = 1 | x) is known. Curves: validation and test accuracy.

    Args:
        decay: see `ClassifierModule`.
    """

    def build(self) -> None:
        """Draw the network, seed the slopes."""
        if self.data.classes != 2:
            raise UserError(f"ensloss/classifier needs data with two classes, these have {self.data.classes}")
        with self.seeds.torch_global("init"):
            self.net = self.model_part(self.data.inputs, 1)
        self.loss.prepare(len(self.data.train), self.data.classes)
        if isinstance(self.loss, EnsLoss):
            self.loss.reseed(self.seeds.axis("slopes"))
        self.optimize(self.groups())

    def objective(self, index: Tensor) -> Tensor:
        """Mean loss on the rows `index`; a loss of one score a class sees -f/2 and f/2, whose margin is y f as well."""
        train = self.data.train
        f = self.net(train.x.index_select(0, index))
        scores = f if isinstance(self.loss, (Phi, EnsLoss)) else torch.cat([-f, f], dim=1) / 2
        return self.loss.mean(scores, train.y[index], index)

    def measure(self) -> Mapping[str, float]:
        """Accuracy on (the first rows of) validation and test data; nothing is chosen by the latter."""
        splits = {"val": self.data.val, "test": self.data.test}
        return {f"{name}/accuracy": self.accuracy(first(split)) for name, split in splits.items() if split is not None}

    def measure_at(self, total: int) -> Iterable[int]:
        """Ten times: an evaluation costs as much as several steps."""
        return even_steps(total, 10)

    def finish(self) -> None:
        """Accuracies after the last step."""
        for name in ("train", "val", "test"):
            split = getattr(self.data, name)
            if split is not None:
                self.scalar(f"{name}/accuracy", self.accuracy(split))
        test = self.data.test
        if test is not None:
            self.scalar("gap", self.scalars["train/accuracy"] - self.scalars["test/accuracy"])
            if "p" in test.extra:
                self.scalar("test/excess", excess_risk(self.f(test), test.extra["p"]))

    def f(self, split: Split) -> Tensor:
        """The scores f on a split, [n], in evaluation mode."""
        return self.scores(split)[:, 0]

    def accuracy(self, split: Split) -> float:
        """Share of rows whose class is the second exactly where f > 0."""
        return float(((self.f(split) > 0).long() == split.y).to(torch.float64).mean())
