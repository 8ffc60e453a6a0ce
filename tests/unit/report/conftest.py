"""The made-up paper as fixtures."""

from __future__ import annotations

import pytest
from made_up import EVIL, FIGURES, claims_and_checks, make_details, make_results

from assay.judging import judge


@pytest.fixture(scope="session")
def results():
    return make_results()


@pytest.fixture(scope="session")
def verdicts(results):
    return judge(results, *claims_and_checks())


@pytest.fixture(scope="session")
def details(results):
    return make_details(results)


@pytest.fixture(scope="session")
def figures():
    return FIGURES


@pytest.fixture
def evil():
    """Results, verdicts and details in which every text holds markup."""
    found = make_results(text=EVIL)
    return found, judge(found, *claims_and_checks(EVIL)), make_details(found)
