"""Learning omega inside a simulation: the heat equation, one linear system a time step (App. G.2)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import spsolve

from assay.bandits.base import Bandit
from assay.errors import UserError
from assay.module import PaperModule, even_steps, modules
from assay.solvers.pcg import cg, ssor_pcg
from assay.solvers.problems import HeatEquation2D
from assay.solvers.result import Solution
from papers.learning_to_relax.module import omega_grid

DT = 1e-3


@modules.register("learning_to_relax/heat", source="arXiv 2310.02246, App. G.2", reduced={"nx": 12})
class Heat(PaperModule):
    """Crank-Nicolson steps of the heat equation, each solved from the previous solution; a step is a time step.

    The learner sees kappa(t), chooses omega of SSOR-preconditioned CG and pays the iterations.

    Args:
        nx: cells a side; (nx - 1)^2 unknowns.
        solver: SSOR-preconditioned CG, plain CG or a sparse direct solver; the latter two ignore the learner's omega.
        omegas: size of the learner's grid on [1, 1.95].
        map_points: at so many steps, solve with every omega of the grid besides and record what it costs.
    """

    takes = ("bandit",)
    block_steps = 25
    device_free = True
    bandit: Bandit

    def __init__(
        self,
        *,
        nx: int = 25,
        solver: Literal["ssor_cg", "cg", "direct"] = "ssor_cg",
        omegas: int = 20,
        map_points: int = 0,
    ) -> None:
        super().__init__()
        self.nx, self.solver, self.omegas, self.map_points = nx, solver, omega_grid(omegas), map_points

    def build(self) -> None:
        """The state at t = 0."""
        if self.bandit.clairvoyant:
            raise UserError(
                f"bandit={type(self.bandit).__name__}: a simulation cannot tell what other omegas would cost"
            )
        self.bandit.start(list(self.omegas))
        self.equation = HeatEquation2D(self.nx, DT)
        self.u = self.equation.initial()
        self.iterations = np.zeros(self.total, dtype=np.int64)
        self.chosen = np.zeros(self.total)
        self.seconds = {"solver": 0.0, "learner": 0.0}
        self.mapped = set(even_steps(self.total - 1, self.map_points)) if self.map_points else set()

    def measure_at(self, total: int) -> Iterable[int]:
        """About 200 points: the chosen omega is a curve of its own."""
        return even_steps(total, 200)

    def advance(self, start: int, stop: int) -> None:
        """Time steps start, ..., stop-1."""
        for step in range(start, stop):
            A, b = self.equation.system(self.u, step)
            if step in self.mapped:
                self.record_map(A, b, step)
            began = time.perf_counter()
            kappa = self.equation.diffusivity(step * DT)
            arm, probability = self.bandit.choose(kappa, self.seeds.numpy("learner", step))
            omega = float(self.bandit.values[arm])
            asked = time.perf_counter()
            solution = self.solve(A, b, omega)
            solved = time.perf_counter()
            # A warm start may need no iteration; learners count from 1.
            self.bandit.update(kappa, arm, probability, float(max(1, solution.iterations)))
            self.seconds["solver"] += solved - asked
            self.seconds["learner"] += asked - began + time.perf_counter() - solved
            self.u, self.iterations[step], self.chosen[step] = solution.x, solution.iterations, omega

    def solve(self, A: sp.csr_array, b: NDArray[np.float64], omega: float) -> Solution:
        """The next state, from the present one."""
        if self.solver == "direct":
            return Solution(spsolve(A, b), 0, 0, 0, True)
        return cg(A, b, x0=self.u) if self.solver == "cg" else ssor_pcg(A, b, omega, x0=self.u)

    def record_map(self, A: sp.csr_array, b: NDArray[np.float64], step: int) -> None:
        """Record the iterations of every omega of the grid at a step, as units."""
        kappa = self.equation.diffusivity(step * DT)
        for omega in self.omegas:
            found = ssor_pcg(A, b, float(omega), x0=self.u).iterations
            self.unit(f"{step}, {omega:.4g}", time_step=step, omega=omega, kappa=kappa, iterations=found)

    def measure(self) -> Mapping[str, float]:
        """Iterations so far and the latest omega."""
        if not self.steps_done:
            return {}
        return {"iterations/so_far": self.iterations.sum(), "omega": self.chosen[self.steps_done - 1]}

    def finish(self) -> None:
        """Total iterations, the wall clock and where the simulation ended."""
        self.scalar("iterations/total", self.iterations.sum())
        self.scalar("iterations/second_half", self.iterations[self.total // 2 :].sum())
        self.scalar("heat/final_norm", float(np.linalg.norm(self.u)))
        for name, value in self.seconds.items():
            self.scalar(f"time/{name}_s", value)
        for name, value in self.bandit.diagnostics().items():
            self.scalar(f"learner/{name}", value)

    def extra_state(self) -> dict[str, Any]:
        """The simulation, the learner, and what was spent."""
        arrays = {name: torch.from_numpy(getattr(self, name).copy()) for name in ("u", "iterations", "chosen")}
        return {"bandit": self.bandit.state(), "seconds": dict(self.seconds), **arrays}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Restore them."""
        self.bandit.load_state(state["bandit"])
        self.seconds = dict(state["seconds"])
        for name in ("u", "iterations", "chosen"):
            setattr(self, name, state[name].numpy().copy())
