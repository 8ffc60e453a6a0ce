"""Fixtures of the tests on a real Slurm; where it can't be started they are skipped with the reason.

With ASSAY_REQUIRED=slurm, as in continuous integration, they fail instead.
"""

from __future__ import annotations

import pytest
from cluster import Site, make_site, start_cluster, stop_cluster
from needed import missing


def _started(accounting: bool):
    try:
        return start_cluster(accounting)
    except RuntimeError as error:
        missing("slurm", f"no Slurm: {error}")


@pytest.fixture(scope="session")
def slurm():
    cluster = _started(accounting=False)
    yield cluster
    stop_cluster(cluster)


@pytest.fixture(scope="session")
def slurm_with_accounting():
    cluster = _started(accounting=True)
    yield cluster
    stop_cluster(cluster)


@pytest.fixture
def site(tmp_path, slurm) -> Site:
    yield make_site(tmp_path, slurm)
    slurm.empty()
