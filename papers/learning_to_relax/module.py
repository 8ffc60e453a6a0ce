"""Choosing the relaxation parameter by bandits whose loss is the number of iterations (Secs. 2.3 and 3.2).

A `Table` run solves every instance of a stream with every omega of a grid, once. `Learners` runs are told the shift
of an instance, choose an omega and read what it costs from the table, so that all learners of a seed meet the same
instances and differ in nothing but their choices.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from assay.bandits.base import Bandit
from assay.errors import UserError
from assay.metrics.regret import growth_exponent, regret
from assay.module import PaperModule, even_steps, modules
from assay.solvers.pcg import ssor_pcg_costs
from assay.solvers.sor import jacobi_radius, optimal_omega, sor_costs, sor_radius, ssor_costs
from papers.learning_to_relax.data import ShiftedPoisson

SOLVERS = {"sor": sor_costs, "ssor": ssor_costs, "ssor_cg": ssor_pcg_costs}
Array = NDArray[np.float64]


def omega_grid(size: int) -> Array:
    """The paper's grid of relaxation parameters: [size] evenly spaced values on [1, 1.95]."""
    return np.linspace(1.0, 1.95, size)


@modules.register("learning_to_relax/table", source="arXiv 2310.02246, Sec. 2.4")
class Table(PaperModule):
    """Solves every instance with every omega of the grid and keeps the iteration counts; a step is one batch of them.

    Artefact `table`: `costs` [T, d], `omegas` [d], `contexts` [T], and `optimal` [T], the counts at the omega that is
    asymptotically optimal for each instance.

    Args:
        solver: SOR, symmetric SOR, or conjugate gradients preconditioned by symmetric SOR.
        omegas: size d of the grid on [1, 1.95].
    """

    takes = ("data",)
    default_parts = {"data": "shifted_poisson"}
    block_steps = 1
    device_free = True
    data: ShiftedPoisson

    def __init__(self, *, solver: Literal["sor", "ssor", "ssor_cg"] = "sor", omegas: int = 20) -> None:
        super().__init__()
        self.solver, self.omegas = solver, omega_grid(omegas)

    def build(self) -> None:
        """Nothing has been solved."""
        self.costs = np.zeros((len(self.data.contexts), len(self.omegas) + 1), dtype=np.int64)

    def measure_at(self, total: int) -> Iterable[int]:
        """There is no curve."""
        return ()

    def advance(self, start: int, stop: int) -> None:
        """Solve the batches start, ..., stop-1 of instances."""
        size = self.budget.batch or len(self.costs)
        for step in range(start, stop):
            rows = slice(step * size, (step + 1) * size)
            self.costs[rows] = self.solve(self.data.contexts[rows], self.data.targets[rows])

    def solve(self, shifts: Array, targets: Array) -> NDArray[np.int64]:
        """Costs [rows, d + 1] of instances: the grid, then omega*(A_t)."""
        side = self.data.side
        best = [optimal_omega(jacobi_radius(side, c)) for c in shifts]
        omega = np.column_stack([np.tile(self.omegas, (len(shifts), 1)), best])
        width = omega.shape[1]
        diagonal = np.repeat(4 + shifts, width)
        costs = SOLVERS[self.solver](side, diagonal, omega.ravel(), np.repeat(targets.T, width, axis=1))
        return costs.reshape(len(shifts), width)

    def finish(self) -> None:
        """Mean costs of the comparators, the mean cost of every omega, and the table."""
        grid, optimal = self.costs[:, :-1], self.costs[:, -1]
        fixed, oracle = grid.mean(0), grid.min(1).mean()
        self.scalar("cost/best_fixed", fixed.min())
        self.scalar("cost/oracle", oracle)
        self.scalar("cost/optimal_omega", optimal.mean())
        self.scalar("gain/oracle", 1 - oracle / fixed.min())
        self.scalar("gain/optimal_omega", 1 - optimal.mean() / fixed.min())
        for omega, cost in zip(self.omegas, fixed, strict=True):
            self.unit(f"{omega:.4g}", omega=omega, cost=cost)
        self.arrays("table", costs=grid, optimal=optimal, omegas=self.omegas, contexts=self.data.contexts)

    def extra_state(self) -> dict[str, Any]:
        """The costs so far."""
        return {"costs": torch.from_numpy(self.costs.copy())}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Restore them."""
        self.costs = state["costs"].numpy().copy()


@modules.register("learning_to_relax/learners", source="arXiv 2310.02246, Secs. 2.4 and 3.3")
class Learners(PaperModule):
    """One learner on one stream: in a round it sees c_t, picks omega and pays the iterations; a step is a round.

    Needs `table`, the costs of the same stream.
    """

    takes = ("data", "bandit")
    default_parts = {"data": "shifted_poisson"}
    block_steps = 250
    device_free = True
    data: ShiftedPoisson
    bandit: Bandit

    def build(self) -> None:
        """Read the table and begin the learner."""
        with np.load(self.inputs["table"] / "table.npz") as table:
            costs, self.contexts, omegas = table["costs"].astype(float), table["contexts"], table["omegas"]
        if not np.array_equal(self.contexts, self.data.contexts):
            raise UserError("the table was made from another stream: data.* must be the same in both experiments")
        self.bandit.start(list(omegas))
        self.columns = [_position(omegas, value) for value in self.bandit.values]
        self.table = np.maximum(costs, 1.0)
        self.played = np.zeros(len(costs), dtype=np.int64)

    @property
    def prefixes(self) -> list[int]:
        """The lengths T/8, T/4, T/2, T at which the growth of the regret is read."""
        return sorted({max(self.total // k, 1) for k in (8, 4, 2, 1)})

    def measure_at(self, total: int) -> Iterable[int]:
        """About 80 points and the prefixes."""
        return sorted({*even_steps(total, 80), *self.prefixes, max(total // 16, 1)})

    def advance(self, start: int, stop: int) -> None:
        """Rounds start, ..., stop-1."""
        for t in range(start, stop):
            context, costs = float(self.contexts[t]), self.table[t, self.columns]
            if self.bandit.clairvoyant:
                self.bandit.reveal(costs)
            arm, probability = self.bandit.choose(context, self.seeds.numpy("learner", t))
            self.bandit.update(context, arm, probability, float(costs[arm]))
            self.played[t] = self.columns[arm]

    @property
    def paid(self) -> Array:
        """What every round so far has cost, [steps_done]."""
        rounds = np.arange(self.steps_done)
        return self.table[rounds, self.played[: self.steps_done]]

    def measure(self) -> Mapping[str, float]:
        """Iterations so far and the regret against the best fixed omega of these rounds."""
        if not self.steps_done:
            return {}
        paid = self.paid
        return {"cost/total_so_far": paid.sum(), "regret": regret(paid, self.table[: self.steps_done])[-1]}

    def finish(self) -> None:
        """Costs over all rounds and over the second half, and the exponent of the regret's growth."""
        paid, half = self.paid, self.total // 2
        late = self.table[half:]
        self.scalar("cost/total", paid.sum())
        self.scalar("cost/second_half", paid[half:].sum())
        self.scalar("cost/best_fixed_second_half", late.sum(0).min())
        self.scalar("cost/uniform_second_half", late.mean(1).sum())
        self.scalar("ratio/second_half", paid[half:].sum() / late.sum(0).min())
        self.scalar("ratio/total", paid.sum() / self.table.sum(0).min())
        self.scalar("ratio/oracle", paid.sum() / self.table.min(1).sum())
        regrets = regret(paid, self.table)
        self.scalar("regret/total", regrets[-1])
        self.scalar("regret/exponent", growth_exponent(self.prefixes, [regrets[T - 1] for T in self.prefixes]))
        for name, value in self.bandit.diagnostics().items():
            self.scalar(f"learner/{name}", value)

    def extra_state(self) -> dict[str, Any]:
        """The learner and its choices so far."""
        return {"bandit": self.bandit.state(), "played": torch.from_numpy(self.played.copy())}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Restore them."""
        self.bandit.load_state(state["bandit"])
        self.played = state["played"].numpy().copy()


@modules.register("learning_to_relax/overhead", source="arXiv 2310.02246, Sec. 2.2")
class Overhead(PaperModule):
    """How long a learner itself takes in a round; a step is a round.

    The costs follow the asymptotic formula log eps / log rho(C_omega), so that nothing is solved.

    Args:
        omegas: size d of the grid on [1, 1.95].
    """

    takes = ("data", "bandit")
    default_parts = {"data": "shifted_poisson"}
    block_steps = 250
    device_free = True
    data: ShiftedPoisson
    bandit: Bandit

    def __init__(self, *, omegas: int = 20) -> None:
        super().__init__()
        self.omegas = omega_grid(omegas)

    def build(self) -> None:
        """Begin the learner."""
        self.bandit.start(list(self.omegas))
        self.seconds = np.zeros(self.total)

    def measure_at(self, total: int) -> Iterable[int]:
        """There is no curve."""
        return ()

    def advance(self, start: int, stop: int) -> None:
        """Rounds start, ..., stop-1."""
        values = np.asarray(self.bandit.values)
        for t in range(start, stop):
            context = float(self.data.contexts[t])
            generator = self.seeds.numpy("learner", t)
            costs = np.ceil(np.log(1e-8) / np.log(sor_radius(values, jacobi_radius(self.data.side, context))))
            began = time.perf_counter()
            arm, probability = self.bandit.choose(context, generator)
            self.bandit.update(context, arm, probability, float(costs[arm]))
            self.seconds[t] = time.perf_counter() - began

    def finish(self) -> None:
        """Milliseconds a round."""
        self.scalar("time/round_ms", 1e3 * np.median(self.seconds))
        self.scalar("time/round_p95_ms", 1e3 * np.quantile(self.seconds, 0.95))

    def extra_state(self) -> dict[str, Any]:
        """The learner and the times so far."""
        return {"bandit": self.bandit.state(), "seconds": torch.from_numpy(self.seconds.copy())}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Restore them."""
        self.bandit.load_state(state["bandit"])
        self.seconds = state["seconds"].numpy().copy()


def _position(omegas: Array, value: float) -> int:
    nearest = int(np.abs(omegas - value).argmin())
    if abs(omegas[nearest] - value) > 1e-9:
        raise UserError(f"omega {value:g} is not on the table's grid (nearest: {omegas[nearest]:g})")
    return nearest
