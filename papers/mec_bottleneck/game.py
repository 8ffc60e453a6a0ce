"""Markov coding games with a rate limit: a message hidden in the actions of an agent, which follow its policy exactly.

A source holds a message m and sends t = g(m) of at most R bits, g being a compressor's map of the receiver's belief b.
The agent knows t, not m. It couples the law of t with its policy pi(.|s) and draws its action from row t of the
coupling, so that whoever does not know t sees pi. The receiver sees state and action, updates

    b(m) <- b(m) q(a|g(m),s) / pi(a|s)

and in the end decodes argmax b. It rebuilds g and the coupling from b and s, which are public.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from scipy import stats

from assay.couplings import Coupling
from assay.envs import GridWorld
from assay.metrics.information import conditional_entropy, entropy
from assay.module import Curve, modules
from assay.solvers.soft_q import soft_value_iteration
from papers.mec_bottleneck.compressors import Array, Compressor, Labels, cell_masses
from papers.mec_bottleneck.module import Replicated

BELIEF_STEPS = (0, 1, 2, 3, 5, 8, 12, 16, 20, 25, 30, 40, 50, 65, 80, 100, 140, 200)
"""Steps of an episode at which the belief curve is noted."""

CONFIDENT = 0.9
"""The belief in the true message from which the receiver counts as confident."""

EPISODE = ("decoded", "reward", "goal", "steps", "confident_at", "code_entropy")
"""What is kept of every episode."""


def paper_world(noise: float, max_steps: int) -> GridWorld:
    """The paper's 8 x 8 grid: goal in the upper right corner, trap below it, a diagonal wall with one way past it."""
    return GridWorld(
        (8, 8),
        {(0, -1): 1.0, (1, -1): -1.0},
        obstacles=[(i, i) for i in range(1, 8)],
        start=(5, 4),
        noise=noise,
        max_steps=max_steps,
    )


@dataclass(frozen=True)
class Channel:
    """What source, agent and receiver share.

    Attributes:
        compressor, coupling: the encoder's and the decoder's method.
        policy: pi(a|s), [S, A].
        rate: R in bits.
    """

    compressor: Compressor
    coupling: Coupling
    policy: Array
    rate: float

    def code(self, belief: Array, state: int) -> tuple[Labels, Array]:
        """The cell of every message, [n], and the joint law of cell and action, [cells, A]."""
        labels = self.compressor.labels(belief, self.rate)
        return labels, self.coupling.joint(cell_masses(belief, labels), self.policy[state])


def updated(belief: Array, labels: Labels, joint: Array, action: int) -> Array:
    """The receiver's belief after an action, [n], normalised."""
    mass = joint.sum(axis=1)
    likelihood = np.divide(joint[:, action], mass, out=np.zeros(len(mass)), where=mass > 0)  # q(a|t)
    new = belief * likelihood[labels]
    return np.asarray(new / new.sum())


@modules.register("mec_bottleneck/coding_game", reduced={"messages": 16, "max_steps": 50})
class CodingGame(Replicated):
    """A Markov coding game with a rate limit; one episode a step.

    The message is uniform and the limit R = H(prior) / `compression`, the same throughout an episode. The world is the
    paper's grid, the policy that of soft value iteration.

    Scalars: `game/episodes`, their number; `game/accuracy`, share of messages decoded; `game/reward`, mean return
    discounted to the start, and `game/reward_variance`, over episodes; `game/goal`, share of episodes that reach
    the goal; `game/steps`, mean length; `game/confident_at`, mean number of steps until the belief in the true
    message exceeds .9, counting `max_steps` where it never does; `game/code_entropy`, mean over steps of H(A|T) in
    bits, what the action leaves open once t is known. Units, one per state whose actions can be tested: `visits`,
    and `p_value` of the chi-square test that the actions taken there follow pi. Curve `belief`: mean belief in the
    true message after k steps of an episode, the last one staying when the episode is over.

    Args:
        messages: number of messages.
        log_beta: natural logarithm of the policy's temperature.
        compression: c = H(prior) / R, at least 1.
        discount, noise: of the world.
        iterations: of soft value iteration.
        max_steps: length at which an episode is cut.
        frequent: visits from which a state's actions are tested.
    """

    takes = ("compressor", "coupling")
    default_parts: ClassVar[Mapping[str, str]] = {"coupling": "max_seeking"}
    compressor: Compressor
    coupling: Coupling

    def __init__(
        self,
        *,
        messages: int = 64,
        log_beta: float = -6.0,
        compression: float = 1.0,
        discount: float = 0.95,
        noise: float = 0.1,
        iterations: int = 100,
        max_steps: int = 200,
        frequent: int = 50,
    ) -> None:
        super().__init__()
        if compression < 1:
            raise ValueError(f"compression is H(X)/R, at least 1, got {compression}")
        self.messages, self.beta, self.compression = messages, math.exp(log_beta), compression
        self.discount, self.noise, self.iterations = discount, noise, iterations
        self.max_steps, self.frequent = max_steps, frequent

    def build(self) -> None:
        """The world, its policy, the channel and empty tallies."""
        self.world = paper_world(self.noise, self.max_steps)
        _, policy = soft_value_iteration(
            self.world.transitions,
            self.world.rewards,
            discount=self.discount,
            beta=self.beta,
            iterations=self.iterations,
        )
        self.prior = np.full(self.messages, 1.0 / self.messages)
        rate = float(entropy(self.prior)) / self.compression
        self.channel = Channel(self.compressor, self.coupling, policy, rate)
        self.actions = np.zeros(policy.shape)
        self.episodes: dict[str, list[float]] = {name: [] for name in EPISODE}
        self.believed = np.zeros(len(BELIEF_STEPS))

    def advance(self, start: int, stop: int) -> None:
        """Episodes start, ..., stop-1."""
        for index in range(start, stop):
            self.play(index)

    def play(self, index: int) -> None:
        """One episode; message, actions and moves depend on (seed, index) alone."""
        rng = self.seeds.numpy("episode", index)
        message = int(rng.integers(self.messages))
        state, _ = self.world.reset(seed=self.seeds.axis("world", index))
        belief, trace, left_open = self.prior, [float(self.prior[message])], 0.0
        terminated = truncated = False
        gain = reward = 0.0
        while not (terminated or truncated):
            labels, joint = self.channel.code(belief, state)
            action = _draw(joint[labels[message]], rng)
            belief = updated(belief, labels, joint, action)
            left_open += conditional_entropy(joint)
            trace.append(float(belief[message]))
            self.actions[state, action] += 1
            state, gain, terminated, truncated, _ = self.world.step(action)
            reward += self.discount ** (len(trace) - 1) * gain
        steps = len(trace) - 1
        confident = next((k for k, value in enumerate(trace) if value > CONFIDENT), self.max_steps)
        decoded = float(np.argmax(belief) == message)
        row = (decoded, reward, float(terminated and gain > 0), float(steps), float(confident), left_open / steps)
        for name, value in zip(EPISODE, row, strict=True):
            self.episodes[name].append(value)
        self.believed += [trace[min(k, steps)] for k in BELIEF_STEPS]

    def finish(self) -> None:
        """Means over episodes, the tests of the actions, and the belief curve."""
        played = {name: np.array(values) for name, values in self.episodes.items()}
        for name, key in (("decoded", "accuracy"), *((name, name) for name in EPISODE[1:])):
            self.scalar(f"game/{key}", played[name].mean())
        self.scalar("game/episodes", self.total)
        self.scalar("game/reward_variance", played["reward"].var(ddof=1) if self.total > 1 else 0.0)
        for state, (visits, p_value) in action_tests(self.actions, self.channel.policy, self.frequent).items():
            row, column = self.world.place(state)
            self.unit(f"{row},{column}", visits=visits, p_value=p_value)
        steps = [k for k in BELIEF_STEPS if k <= self.max_steps]
        self.curves["belief"] = Curve(steps, [float(v) for v in self.believed[: len(steps)] / self.total])

    def extra_state(self) -> dict[str, Any]:
        """The tallies."""
        return {
            "actions": torch.from_numpy(self.actions.copy()),
            "believed": torch.from_numpy(self.believed.copy()),
            "episodes": {name: list(values) for name, values in self.episodes.items()},
        }

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Restore the tallies."""
        self.actions, self.believed = state["actions"].numpy().copy(), state["believed"].numpy().copy()
        self.episodes = {name: list(values) for name, values in state["episodes"].items()}


def _draw(mass: Array, rng: np.random.Generator) -> int:
    """An index in proportion to masses [k] that need not sum to one."""
    sums = mass.cumsum()
    return int(sums.searchsorted(rng.random() * sums[-1], side="right"))


def action_tests(counts: Array, policy: Array, frequent: int) -> dict[int, tuple[int, float]]:
    """Chi-square tests that actions follow the policy, by state: (visits, p-value).

    Actions given the state are independent draws from pi, whatever message, belief and compressor. Actions with fewer
    than five expected visits are pooled; a state is tested if it has `frequent` visits and two classes remain.

    Args:
        counts: how often each action was taken, [S, A].
        policy: pi(a|s), [S, A].
        frequent: visits that a state needs.
    """
    found = {}
    for state in np.flatnonzero(counts.sum(axis=1) >= frequent):
        visits = counts[state].sum()
        expected = visits * policy[state]
        order = np.argsort(expected, kind="stable")
        small = max(int((expected < 5).sum()), 1)
        while small < len(order) and 0 < expected[order[:small]].sum() < 5:
            small += 1  # a pool that is still too small takes the next action
        classes = [order[:small], *order[small:, None]]
        if len(classes) < 2 or expected[order[:small]].sum() < 5:
            continue
        sums = np.array([[counts[state][c].sum(), expected[c].sum()] for c in classes])
        found[int(state)] = (int(visits), float(stats.chisquare(sums[:, 0], sums[:, 1], sum_check=False).pvalue))
    return found
