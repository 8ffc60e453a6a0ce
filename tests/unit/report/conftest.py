"""The made-up paper as fixtures."""

from __future__ import annotations

import json

import pytest
from made_up import EVIL, FIGURES, claims_and_checks, make_details, make_results, rules

from assay.review.judged import judge


@pytest.fixture(scope="session")
def results():
    return make_results()


@pytest.fixture(scope="session")
def verdicts(results):
    return judge(results, *claims_and_checks())


@pytest.fixture(scope="session")
def more():
    """Results with seeds for a second look."""
    return make_results(seeds=range(1, 11))


@pytest.fixture(scope="session")
def ruled(more):
    """Verdicts that show each rule of judgement, as they are read back."""
    return json.loads(json.dumps(judge(more, *rules(), stands_for="a toy for ImageNet")))


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
