"""The plain classifier: any data, model, loss, optimizer and schedule put together.

It is what `assay cross` runs, and what papers about losses and optimizers extend.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor

from assay.data.base import Split
from assay.module import GradientModule, modules


@modules.register("classifier")
class ClassifierModule(GradientModule):
    """Minimises the mean loss of a network's scores; measures top-1 accuracy and cross entropy.

    Args:
        decay: which parameters are decayed; "weights" exempts biases and normalisation (all tensors below 2-D).
    """

    takes: ClassVar[tuple[str, ...]] = ("data", "model", "loss", "optimizer", "schedule")
    final_splits: ClassVar[tuple[str, ...]] = ("val", "test")
    """Splits on which `finish` measures; a paper that needs the training set adds "train"."""

    def __init__(self, *, decay: Literal["all", "weights"] = "all") -> None:
        super().__init__()
        self.decay = decay

    def build(self) -> None:
        """Draw the network from the axis `init`."""
        with self.seeds.torch_global("init"):
            self.net = self.model_part(self.data.inputs, self.data.classes)
        self.loss.prepare(len(self.data.train), self.data.classes)
        self.optimize(self.groups())

    def groups(self) -> list[dict[str, object]]:
        """The optimizer's parameter groups: decayed and exempt."""
        params = [p for p in self.net.parameters() if p.requires_grad]
        exempt = [p for p in params if p.ndim < 2] if self.decay == "weights" else []
        decayed = [p for p in params if not any(p is q for q in exempt)]
        groups: list[dict[str, object]] = [{"params": decayed}]
        return [*groups, {"params": exempt, "weight_decay": 0.0}] if exempt else groups

    def objective(self, index: Tensor) -> Tensor:
        """Mean loss on the rows `index`."""
        train = self.data.train
        return self.loss.mean(self.net(train.x[index]), train.y[index], index)

    def measure(self) -> Mapping[str, float]:
        """Validation accuracy, where there is a validation split."""
        return {} if self.data.val is None else {"val/accuracy": self.accuracy(self.data.val)}

    def finish(self) -> None:
        """Final accuracy and cross entropy."""
        for name in self.final_splits:
            split = getattr(self.data, name)
            if split is not None:
                scores = self.scores(split)
                self.scalar(f"{name}/accuracy", (scores.argmax(1) == split.y).float().mean())
                self.scalar(f"{name}/cross_entropy", torch.nn.functional.cross_entropy(scores.float(), split.y))

    @torch.no_grad()
    def scores(self, split: Split, chunk: int = 4096) -> Tensor:
        """The network's scores on a split, [n, classes], in evaluation mode."""
        training, _ = self.net.training, self.net.eval()
        scores = torch.cat([self.net(part) for part in split.x.split(chunk)])
        self.net.train(training)
        return scores

    def accuracy(self, split: Split) -> float:
        """Top-1 accuracy on a split."""
        return float((self.scores(split).argmax(1) == split.y).float().mean())
