"""A grid world that one can both play (gymnasium's interface) and compute with (its transition law as an array)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Place = tuple[int, int]

ACTIONS: tuple[Place, ...] = ((-1, 0), (0, 1), (1, 0), (0, -1))
"""Up, right, down, left as (row, column) steps."""


class GridWorld(gymnasium.Env[Any, Any]):
    """Walk on a grid until a terminal cell is entered.

    An action moves one cell in its direction with probability 1 - 2 noise and to either side of it with probability
    noise each; whoever would leave the grid or enter an obstacle stays. Entering a cell pays the cell's reward.
    States are cells in row-major order, obstacles included (they are never entered).

    Args:
        shape: rows and columns.
        terminals: the reward of each terminal cell by place; negative indices count from the end.
        obstacles: places that cannot be entered.
        start: where an episode starts.
        noise: probability of slipping to one side, at most 1/2.
        reward: of all cells that are not terminal.
        max_steps: an episode is truncated after so many steps; None for no limit.

    Attributes:
        transitions: P(s'|s,a), [S, A, S]; a terminal state's row is all zero, for nothing follows it.
        rewards: reward of entering a state, [S].
        terminal: whether a state ends the episode, [S].

    Source: the layout and conventions of the grid world used by arXiv 2410.21666.
    """

    def __init__(
        self,
        shape: Place,
        terminals: dict[Place, float],
        *,
        obstacles: Iterable[Place] = (),
        start: Place = (0, 0),
        noise: float = 0.0,
        reward: float = 0.0,
        max_steps: int | None = None,
    ) -> None:
        if not 0 <= noise <= 0.5:
            raise ValueError(f"noise is the probability of slipping to one side, at most 1/2, got {noise}")
        self.shape, self.noise, self.max_steps = shape, noise, max_steps
        states = shape[0] * shape[1]
        self.action_space = gymnasium.spaces.Discrete(len(ACTIONS))
        self.observation_space = gymnasium.spaces.Discrete(states)
        self.obstacle = np.zeros(states, dtype=bool)
        self.obstacle[[self.state(place) for place in obstacles]] = True
        self.terminal = np.zeros(states, dtype=bool)
        self.rewards = np.full(states, float(reward))
        for place, value in terminals.items():
            self.terminal[self.state(place)] = True
            self.rewards[self.state(place)] = value
        self.start = self.state(start)
        if self.obstacle[self.start] or self.terminal[self.start]:
            raise ValueError(f"no episode can start at {start}")
        self.transitions = self._law()
        self._cumulated = self.transitions.cumsum(axis=2)
        self._at, self._steps = self.start, 0

    def state(self, place: Place) -> int:
        """The number of a cell."""
        rows, columns = self.shape
        return place[0] % rows * columns + place[1] % columns

    def place(self, state: int) -> Place:
        """Row and column of a state."""
        return divmod(state, self.shape[1])

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Go to the start; `seed` seeds the environment's generator. Returns the state and an empty dictionary."""
        super().reset(seed=seed, options=options)
        self._at, self._steps = self.start, 0
        return self._at, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Take an action; returns state, reward, terminated, truncated and an empty dictionary."""
        law = self._cumulated[self._at, action]
        self._at = int(law.searchsorted(self.np_random.random() * law[-1], side="right"))
        self._steps += 1
        terminated = bool(self.terminal[self._at])
        truncated = self.max_steps is not None and self._steps >= self.max_steps and not terminated
        return self._at, float(self.rewards[self._at]), terminated, truncated, {}

    def _law(self) -> Array:
        states, actions = len(self.terminal), len(ACTIONS)
        target = np.array([[self._move(state, step) for step in ACTIONS] for state in range(states)])
        law = np.zeros((states, actions, states))
        for action in range(actions):
            for turn, chance in ((-1, self.noise), (0, 1.0 - 2.0 * self.noise), (1, self.noise)):
                law[np.arange(states), action, target[:, (action + turn) % actions]] += chance
        law[self.terminal] = 0.0
        return law

    def _move(self, state: int, step: Place) -> int:
        row, column = self.place(state)
        row, column = row + step[0], column + step[1]
        if not (0 <= row < self.shape[0] and 0 <= column < self.shape[1]):
            return state
        target = self.state((row, column))
        return state if self.obstacle[target] else target
