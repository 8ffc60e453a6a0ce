"""The one door to Lightning.

Importing Lightning costs three times what it must. Its metrics library imports torchvision, transformers and
matplotlib wherever they are installed, and its Fabric imports torch's compiler to recognise compiled modules; nothing
here uses either. So while Lightning is imported, those packages count as absent, and the compiler is imported when
something compiles. Measured on two cores: 11.4 s for all parts of a paper without this module, 4.5 s with it.

Every other module imports Lightning from here. If a version of Lightning does not go along, the plain import is used.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch

NOT_NEEDED = ("torchvision", "transformers", "matplotlib", "scipy", "sklearn", "regex", "nltk", "pesq", "librosa")
"""Packages for which Lightning's metrics offer extras that nothing here uses."""

COMPILER = "torch._dynamo"


class _Compiled(type):
    """Answers `isinstance(x, OptimizedModule)` without importing the compiler: nothing is compiled before it is."""

    def __instancecheck__(cls, instance: Any) -> bool:
        compiler = sys.modules.get(COMPILER)
        real = getattr(compiler, "OptimizedModule", None)
        return real is not None and real is not cls and isinstance(instance, real)


class OptimizedModule(metaclass=_Compiled):
    """Stands for the compiler's class of compiled modules."""


@contextlib.contextmanager
def _lean() -> Iterator[None]:
    from lightning_utilities.core import imports as found

    imports: Any = found
    availability = imports.RequirementCache
    real, package_available = availability._check_available, imports.package_available

    def check(cache: Any) -> None:
        name = str(cache.requirement or cache.module or "")
        if name.startswith(NOT_NEEDED):
            cache.available, cache.message = False, "not needed"
        else:
            real(cache)

    stub = None
    if COMPILER not in sys.modules:
        stub = ModuleType(COMPILER)
        stub.OptimizedModule = OptimizedModule  # type: ignore[attr-defined]
        # Lightning marks one function as not to be compiled; nothing here compiles Lightning's own loops.
        stub.disable = lambda function, *_, **__: function  # type: ignore[attr-defined]
        sys.modules[COMPILER] = stub
    availability._check_available = check
    imports.package_available = lambda name: name not in NOT_NEEDED and package_available(name)
    try:
        yield
    finally:
        availability._check_available, imports.package_available = real, package_available
        if stub is not None and sys.modules.get(COMPILER) is stub:
            del sys.modules[COMPILER]
            if vars(torch).get("_dynamo") is stub:
                del torch._dynamo


def _import() -> ModuleType:
    try:
        with _lean():
            return importlib.import_module("pytorch_lightning")
    except (ImportError, AttributeError):
        for name in [n for n in sys.modules if n.startswith(("pytorch_lightning", "lightning_fabric", "torchmetrics"))]:
            del sys.modules[name]
        return importlib.import_module("pytorch_lightning")


if TYPE_CHECKING:
    import pytorch_lightning as pl
else:
    pl = _import()

from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment  # noqa: E402
from lightning_fabric.plugins.environments.lightning import LightningEnvironment  # noqa: E402
from pytorch_lightning.trainer.connectors import callback_connector  # noqa: E402

__all__ = ["ClusterEnvironment", "LightningEnvironment", "callback_connector", "pl"]
