"""Hydra's own sweeper, without composing every job twice.

Hydra composes each job of a multirun before it hands any to the launcher, an eighth of a second a job, only to see
that it can. Assay's launchers compose and validate all jobs themselves before they start the first one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra.core.config_store import ConfigStore


@dataclass
class SweeperConf(BasicSweeperConf):
    """Hydra's settings: `hydra.sweeper.params`, `hydra.sweeper.max_batch_size`."""

    _target_: str = "hydra_plugins.assay_sweeper.AssaySweeper"


ConfigStore.instance().store(group="hydra/sweeper", name="assay", node=SweeperConf, provider="assay")


class AssaySweeper(BasicSweeper):
    """Leaves looking at the jobs to the launcher, where it does so."""

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Compose every job if nobody else will."""
        from hydra_plugins.assay_launcher import AssayLauncher

        if not isinstance(self.launcher, AssayLauncher):
            super().validate_batch_is_legal(batch)
