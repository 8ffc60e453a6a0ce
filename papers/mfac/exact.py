"""Exact checks: four ways to one inverse, a window that moves, limits of the damp, and what a removed weight costs."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from assay.exact import ExactModule, collect, exact
from assay.linalg import BlockInverse, DynamicRankOneInverse, RankOneInverse
from assay.module import modules
from assay.prune import OBSPruner
from assay.seeds import Seeds

SEEDS = Seeds(0)
D, M = 300, 32
DAMPS = (1e-1, 1e-3, 1e-5)


def window(name: str, m: int = M, d: int = D) -> Tensor:
    """Rows N(0, I/d), of norm about 1, [m, d]."""
    return torch.from_numpy(SEEDS.numpy(name).standard_normal((m, d))) / math.sqrt(d)


def dense(gradients: Tensor, damp: float) -> Tensor:
    """F = damp I + (1/m) sum g g^T, [d, d]."""
    m, d = gradients.shape
    return damp * torch.eye(d, dtype=gradients.dtype) + gradients.T @ gradients / m


def off(found: Tensor, expected: Tensor) -> float:
    """Relative error in the Euclidean norm."""
    return float((found - expected).norm() / expected.norm())


@exact("1")
def products() -> Mapping[str, float]:
    """Products of every algorithm against a dense solve, for a random vector and a row; the largest over the damps."""
    worst = dict.fromkeys(("static", "dynamic", "woodbury", "row", "diagonal", "entry"), 0.0)

    def note(name: str, error: float) -> None:
        worst[name] = max(worst[name], error)

    gradients, j = window("window"), 5
    for damp in DAMPS:
        fisher = dense(gradients, damp)
        inverse = torch.linalg.inv(fisher)
        static = RankOneInverse(gradients, damp)
        dynamic = DynamicRankOneInverse(gradients, damp)
        woodbury = DynamicRankOneInverse(gradients, damp, "woodbury")
        for x in (window("x", 1)[0], gradients[j]):
            expected = torch.linalg.solve(fisher, x)
            note("static", off(static.product(x), expected))
            note("dynamic", off(dynamic.product(x), expected))
            note("woodbury", off(woodbury.product(x), expected))
        note("row", off(dynamic.of_row(j), torch.linalg.solve(fisher, gradients[j])))
        note("diagonal", off(static.diagonal(), inverse.diagonal()))
        note("diagonal", off(dynamic.diagonal(), inverse.diagonal()))
        cells = [(0, 0), (7, 7), (0, 1), (12, 250), (299, 3)]
        found = torch.stack([static.entry(k, l) for k, l in cells])
        # Against the largest entry: those off the diagonal are small differences of large numbers.
        errors = (found - torch.stack([inverse[k, l] for k, l in cells])).abs().max()
        note("entry", float(errors / inverse.abs().max()))
    return worst


@exact("2")
def moving_window() -> Mapping[str, float]:
    """After 3 m updates, the product against a fresh static build of the window's rows, as stored and shuffled."""
    stream = window("stream", 3 * M + 5)
    worst = dict.fromkeys(("stored", "shuffled", "rows"), 0.0)
    for damp in DAMPS:
        dynamic = DynamicRankOneInverse.empty(M, stream[0], damp)
        for g in stream:
            dynamic.update(g)
        order = torch.from_numpy(SEEDS.numpy("order").permutation(M))
        for name, rows in (("stored", dynamic.g), ("shuffled", dynamic.g[order])):
            static = RankOneInverse(rows, damp)
            for x in (window("x", 1)[0], stream[-3]):
                worst[name] = max(worst[name], off(dynamic.product(x), static.product(x)))
    newest = {tuple(g.tolist()) for g in stream[-M:]}
    worst["rows"] = float(len(newest ^ {tuple(g.tolist()) for g in dynamic.g}))
    return worst


@exact("5-blocks")
def blocks() -> Mapping[str, float]:
    """The recursion in 50 blocks at once against dense inverses of the blocks: products and diagonals."""
    worst = {"product": 0.0, "diagonal": 0.0}
    for size in (10, 128):
        gradients = torch.from_numpy(SEEDS.numpy("blocks", size).standard_normal((50, M, size))) / 100
        x = torch.from_numpy(SEEDS.numpy("blocks", size, "x").standard_normal((50, size)))
        one, other = RankOneInverse(gradients, 1e-5), BlockInverse(gradients, 1e-5)
        worst["product"] = max(worst["product"], off(one.product(x), other.product(x)))
        worst["diagonal"] = max(worst["diagonal"], off(one.diagonal(), other.diagonal()))
    return worst


@exact("7")
def limits() -> Mapping[str, float]:
    """A large damp leaves the gradient's direction; one gradient gives a formula (error over what rounding allows)."""
    gradients = 100 * window("limit")
    damp = 1e6 * float(torch.linalg.eigvalsh(gradients @ gradients.T / M).max())
    step = DynamicRankOneInverse(gradients, damp).product(gradients[-1])
    turned = 1 - float(torch.cosine_similarity(step, gradients[-1], dim=0))
    ratio = 0.0
    for scale in (0.1, 1.0, 100.0):
        g = scale * window("one", 1)
        for damp in (1e-5, 1e-3, 1.0):
            expected = g[0] / (damp + float(g[0] @ g[0]))
            allowed = 1e-14 * max(100.0, float(g[0] @ g[0]) / damp)
            for inverse in (RankOneInverse(g, damp), DynamicRankOneInverse(g, damp)):
                ratio = max(ratio, off(inverse.product(g[0]), expected) / allowed)
    return {"turned": abs(turned), "single": ratio}


@exact("8")
def saliency() -> Mapping[str, float]:
    """The saliency of each weight against dw^T F dw / 2 of removing it alone with the update, relatively."""
    worst = 0.0
    for damp in DAMPS:
        gradients, w = window("window"), window("weights", 1)[0]
        fisher, pruner = dense(gradients, damp), OBSPruner(damp=damp)
        pruner.see(gradients)
        saliencies = pruner.saliency(w)
        for k in range(0, D, 7):
            alone = torch.zeros(D, dtype=torch.bool)
            alone[k] = True
            change = pruner.answer(w, alone) - w
            increase = float(change @ fisher @ change) / 2
            worst = max(worst, abs(float(saliencies[k]) / increase - 1), abs(float(change[k] / w[k]) + 1))
    return {"deviation": worst}


@modules.register("mfac/exact")
class Exact(ExactModule):
    """Runs the functions above."""

    checks = collect(__name__)
