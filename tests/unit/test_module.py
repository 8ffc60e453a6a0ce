"""What a module records has one place each: no name twice, none of the tables' own."""

from __future__ import annotations

import sys
import types

import pytest

from assay.columns import RESERVED
from assay.errors import UserError
from assay.exact import ExactModule, collect
from assay.module import PaperModule


class Paths(PaperModule):
    unit_axes = ("t",)

    def measure(self):
        return {"loss": 1.0}


def test_a_scalar_is_written_once():
    module = Paths()
    module.scalar("loss", 1)
    with pytest.raises(UserError, match="the scalar 'loss' is written twice"):
        module.scalar("loss", 1)


def test_arrays_are_kept_once():
    module = Paths()
    module.arrays("net", w=[1])
    with pytest.raises(UserError, match="the arrays 'net' are written twice"):
        module.arrays("net", v=[2])


def test_a_unit_is_written_once_on_the_same_axes():
    module = Paths()
    module.unit(1, method="a", t=0.0, x=1.0)
    module.unit("1", method="b", t=0.0, x=1.0)
    module.unit("1", method="a", t=0.5, x=1.0)
    module.unit("1", method="a", x=1.0)
    module.unit("2", method="a", t=0.0, x=1.0)
    with pytest.raises(UserError, match=r"the unit '1', method a, t 0\.5 is written twice"):
        module.unit(1, method="a", t=0.5, x=2.0)
    assert len(module.units) == 5
    plain = PaperModule()
    plain.unit("1", t=0.0)
    with pytest.raises(UserError, match="the unit '1' is written twice"):
        plain.unit("1", t=0.5)


def test_a_resumed_run_goes_on_with_what_its_checkpoint_holds():
    module, again = Paths(), Paths()
    module.scalar("loss", 1)
    module.unit("1", t=0.0, x=1.0)
    again.resume(module.checkpoint())
    again.scalar("other", 1)
    again.unit("1", t=0.5, x=1.0)
    with pytest.raises(UserError, match="twice"):
        again.scalar("loss", 1)
    with pytest.raises(UserError, match="twice"):
        again.unit("1", t=0.0, x=3.0)


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_names_of_the_tables_columns_are_refused(name):
    module = Paths()
    with pytest.raises(UserError, match=f"a scalar cannot be called '{name}'"):
        module.scalar(name, 1)
    if name != "unit":  # the first argument
        with pytest.raises(UserError, match=f"a unit's column cannot be called '{name}'"):
            module.unit("a", **{name: 1})
    module.track(name, 1)
    with pytest.raises(UserError, match=f"a curve cannot be called '{name}'"):
        module.take_measurement()


@pytest.fixture
def made_up(monkeypatch):
    """A module whose source a test gives."""

    def define(source):
        made = types.ModuleType("made_up_exact")
        monkeypatch.setitem(sys.modules, made.__name__, made)
        exec("from assay.exact import exact\n" + source, vars(made))
        return collect(made.__name__)

    return define


def test_two_exact_functions_that_write_one_name(made_up):
    class Both(ExactModule):
        checks = made_up("@exact('3')\ndef a():\n  return {'gap': 0}\n@exact('3')\ndef b():\n  return {'gap': 1}\n")

    module = Both()
    with pytest.raises(UserError, match="the scalar 'exact/3/gap' is written twice"):
        module.advance(0, module.total)


def test_two_exact_functions_of_one_name(made_up):
    with pytest.raises(UserError, match="made_up_exact: two exact functions are called a"):
        made_up("@exact('3')\ndef a():\n  return {}\n@exact('4')\ndef a():\n  return {}\n")
