"""Hydra's multirun through Assay's launchers: `hydra/launcher=local` (the default) and `hydra/launcher=slurm`.

A thin door: the jobs of a multirun become an ad-hoc plan, which goes the same way as a paper's sweep.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher


@dataclass
class LocalConf:
    """`hydra.launcher.workers=4`; 0 for one a core."""

    _target_: str = "hydra_plugins.assay_launcher.AssayLauncher"
    kind: str = "local"
    workers: int = 0


@dataclass
class SlurmConf:
    """`hydra.launcher.profile=NAME`, one of slurm/profiles."""

    _target_: str = "hydra_plugins.assay_launcher.AssayLauncher"
    kind: str = "slurm"
    profile: str = "default"


store = ConfigStore.instance()
store.store(group="hydra/launcher", name="local", node=LocalConf, provider="assay")
store.store(group="hydra/launcher", name="slurm", node=SlurmConf, provider="assay")


class AssayLauncher(Launcher):
    """Plans the jobs as one ad-hoc sweep and waits for it."""

    def __init__(self, kind: str = "local", workers: int = 0, profile: str = "default") -> None:
        self.kind, self.workers, self.profile = kind, workers, profile

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Hydra hands over its context; nothing of it is needed."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run all jobs; exits with 1 if any failed, 130 if interrupted, 2 with one line if a job cannot be."""
        from assay.app import adhoc
        from assay.errors import UserError
        from assay.system.entry import last_word

        jobs = [[word.lstrip("+") for word in job] for job in job_overrides]
        try:
            code = adhoc.run_jobs(jobs, kind=self.kind, workers=self.workers, profile=self.profile)
        except UserError as error:  # Hydra would print it as a crash of the app
            last_word(f"assay.train: {error}")
            raise SystemExit(error.exit_code) from None
        if code:
            raise SystemExit(code)
        return [JobReturn(overrides=job, _return_value=None, status=JobStatus.COMPLETED) for job in jobs]
