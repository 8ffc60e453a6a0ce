"""Fixtures of the tests on a real Slurm; where it can't be started they are skipped with the reason.

With ASSAY_SLURM=required, as in continuous integration, they fail instead.
"""

from __future__ import annotations

import os

import pytest
from cluster import Site, make_site, start_cluster, stop_cluster


def _started(accounting: bool):
    try:
        return start_cluster(accounting)
    except RuntimeError as error:
        if os.environ.get("ASSAY_SLURM") == "required":
            pytest.fail(f"Slurm is required here: {error}")
        pytest.skip(f"no Slurm: {error}")


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
