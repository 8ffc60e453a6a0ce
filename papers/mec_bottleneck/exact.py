"""The card's exact checks: identities, bounds and small problems that can be enumerated."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from assay.couplings import Independent, MaxSeeking, ZeroSeeking
from assay.envs import GridWorld
from assay.exact import ExactModule, collect, exact
from assay.metrics.information import binary_entropy, entropy, mutual_information
from assay.module import modules
from assay.seeds import Seeds
from assay.solvers.soft_q import soft_value_iteration
from papers.mec_bottleneck.compressors import (
    AdaptiveQuantiser,
    Array,
    BlobOnly,
    GreedyEBIM,
    TailMerge,
    UniformQuantiser,
    cell_masses,
    partition_entropies,
)
from papers.mec_bottleneck.ebim import bottlenecked, searched
from papers.mec_bottleneck.game import Channel, updated

SEEDS = Seeds(0)
EXAMPLE = np.array([0.7, 0.2, 0.1])
"""The law of the paper's Fig. 2."""

COMPRESSORS = (GreedyEBIM(), BlobOnly(), TailMerge(), UniformQuantiser(), AdaptiveQuantiser())


@exact("1")
def markov_chains() -> dict[str, float]:
    """Lemma 1: I(X;Y) = I(X;T) + I(Y;T) - I(T;X,Y) on Markov chains X - T - Y; with I(T;X,Y) <= H(T) the inequality."""
    rng = SEEDS.numpy("chains")
    error, slack = 0.0, np.inf
    for _ in range(200):
        n, t, m = rng.integers(2, 7, 3)
        concentration = 10.0 ** rng.uniform(-1, 1)
        xt = rng.dirichlet(np.full(n * t, concentration)).reshape(n, t)
        decoder = rng.dirichlet(np.full(m, concentration), t)
        xty = xt[:, :, None] * decoder  # p(x,t) p(y|t)
        split = mutual_information(xt) + mutual_information(xty.sum(axis=0))
        both = mutual_information(xty.transpose(1, 0, 2).reshape(t, n * m))
        found = mutual_information(xty.sum(axis=1))
        error = max(error, abs(found - (split - both)))
        slack = min(slack, found - (split - float(entropy(xt.sum(axis=0)))))  # R = H(T)
    return {"identity_error": error, "inequality_slack": slack}


@exact("2")
def greedy_bound() -> dict[str, float]:
    """Theorem 2: R - I(X;T) <= h(p_2) for Algorithm 1; on two symbols just below H(X) it is attained."""
    rng, excess, above = SEEDS.numpy("laws"), -np.inf, -np.inf
    for n in range(2, 9):
        for _ in range(30):
            p = rng.dirichlet(np.ones(n))
            second = float(binary_entropy(np.sort(p)[-2]))
            for rate in float(entropy(p)) * np.arange(1, 41) / 40:
                kept = float(entropy(cell_masses(p, GreedyEBIM().labels(p, rate))))
                excess, above = max(excess, rate - kept - second), max(above, kept - rate)
    p = np.array([0.8, 0.2])
    rate = float(entropy(p)) - 1e-9
    gap = rate - float(entropy(cell_masses(p, GreedyEBIM().labels(p, rate))))
    return {"excess": excess, "above_limit": above, "tightness": abs(gap - float(binary_entropy(0.2)))}


@exact("3")
def optimum_at_and_between_maps() -> dict[str, float]:
    """Theorem 1: the search over all encoders reaches R where a set partition has that entropy, and only there."""
    levels = np.unique(partition_entropies(EXAMPLE).round(12))[1:]
    midpoints = (np.append(0.0, levels[:-1]) + levels) / 2
    rng = SEEDS.numpy("search")
    at = [abs(rate - searched(EXAMPLE, rate, starts=40, rng=rng)) for rate in levels]
    between = [rate - searched(EXAMPLE, rate, starts=40, rng=rng) for rate in midpoints]
    return {"distance_at_maps": max(at), "gap_between_maps": min(between)}


@exact("5")
def bottleneck_without_limit() -> dict[str, float]:
    """MEC-B at R = H(X) is MEC; its marginals are the given ones at every limit, for every compressor and coupling."""
    rng, difference, marginals = SEEDS.numpy("pairs"), 0.0, 0.0
    for _ in range(40):
        n, m = rng.integers(2, 20, 2)
        p, q = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
        limit = float(entropy(p))
        for coupling in (MaxSeeking(), ZeroSeeking(), Independent()):
            plain = float(entropy(coupling.joint(p, q)))
            full = bottlenecked(p, q, GreedyEBIM(), coupling, limit)
            difference = max(difference, abs(float(entropy(full)) - plain))
            for compressor in COMPRESSORS:
                for share in (0.2, 0.5, 0.8, 1.0):
                    joint = bottlenecked(p, q, compressor, coupling, share * limit)
                    errors = (np.abs(joint.sum(axis=1) - p).max(), np.abs(joint.sum(axis=0) - q).max())
                    marginals = max(marginals, *errors)
    return {"entropy_difference": difference, "marginal_error": marginals}


def _small_world() -> tuple[GridWorld, Array]:
    world = GridWorld((3, 3), {(0, -1): 1.0, (1, -1): -1.0}, start=(1, 0), noise=0.1)
    _, policy = soft_value_iteration(world.transitions, world.rewards, discount=0.95, beta=0.05, iterations=100)
    return world, policy


def _channels(policy: Array, prior: Array) -> Iterator[Channel]:
    for compression in (1.0, 1.5, 2.0, 4.0):
        # At c = 1 all of them leave the messages apart.
        for compressor in (GreedyEBIM(), UniformQuantiser(), AdaptiveQuantiser())[: 1 if compression == 1 else 3]:
            yield Channel(compressor, MaxSeeking(), policy, float(entropy(prior)) / compression)


@exact("9")
def actions_follow_the_policy() -> dict[str, float]:
    """Averaged over the messages, actions given the state follow pi exactly, whatever the belief."""
    world, policy = _small_world()
    rng, error = SEEDS.numpy("beliefs"), 0.0
    for _ in range(100):
        belief = rng.dirichlet(np.full(16, 10.0 ** rng.uniform(-1.5, 1)))
        state = int(rng.choice(np.flatnonzero(~world.terminal)))
        for channel in _channels(policy, np.full(16, 1 / 16)):
            labels, joint = channel.code(belief, state)
            row = joint[labels] / joint.sum(axis=1)[labels, None]  # q(a|g(m),s) for every message
            error = max(error, np.abs(belief[belief > 0] @ row[belief > 0] - policy[state]).max())
    return {"marginal_error": error}


@exact("11")
def reward_does_not_depend_on_the_rate() -> dict[str, float]:
    """All paths of a small game: the expected return is the plain policy's, and the belief is the true posterior."""
    world, policy = _small_world()
    prior, horizon, discount = np.full(8, 1 / 8), 3, 0.95
    plain = np.zeros(len(world.terminal))
    for _ in range(horizon):
        value = world.rewards + plain
        plain = discount * (policy * (world.transitions @ value)).sum(axis=1)
    difference = posterior = 0.0
    for channel in _channels(policy, prior):
        tree = _Tree(world, channel, discount)
        difference = max(difference, abs(tree.walk(prior, prior, world.start, horizon) - plain[world.start]))
        posterior = max(posterior, tree.error)
    return {"reward_difference": difference, "posterior_error": posterior}


class _Tree:
    """Walks all messages, actions and moves of a game."""

    def __init__(self, world: GridWorld, channel: Channel, discount: float) -> None:
        self.world, self.channel, self.discount, self.error = world, channel, discount, 0.0

    def walk(self, belief: Array, weight: Array, state: int, steps: int) -> float:
        """The expected return from here, times the probability of being here.

        Args:
            belief: the receiver's, [n].
            weight: probability of message and history, [n], which the receiver never sees.
            state: where the agent is.
            steps: how many are left.
        """
        if steps == 0 or self.world.terminal[state]:
            return 0.0
        labels, joint = self.channel.code(belief, state)
        total = 0.0
        for action in range(joint.shape[1]):
            mass = joint.sum(axis=1)
            answer = np.divide(joint[:, action], mass, out=np.zeros(len(mass)), where=mass > 0)  # q(a|t)
            chance = weight * answer[labels]
            if chance.sum() < 1e-12 * weight.sum():
                continue
            new = updated(belief, labels, joint, action)
            self.error = max(self.error, np.abs(new - chance / chance.sum()).max())
            for after in np.flatnonzero(self.world.transitions[state, action]):
                there = chance * self.world.transitions[state, action, after]
                reward = there.sum() * self.world.rewards[after]
                total += self.discount * (reward + self.walk(new, there, int(after), steps - 1))
        return total


@modules.register("mec_bottleneck/exact")
class ExactChecks(ExactModule):
    """Records what the functions above measure."""

    checks = collect(__name__)
