"""A paper's module run as the runner does it, without Lightning, records or files: for tests of the method alone."""

from __future__ import annotations


def run(module, until=None):
    """What the runner does with a module, without Lightning."""
    if module.steps_done == 0:
        module.take_measurement()
    measured = set(module.measure_at(module.total))
    for block in module.blocks():
        module.training_step(block, 0)
        if module.steps_done in measured:
            module.take_measurement()
        if until is not None and module.steps_done >= until:
            return module
    module.finish()
    return module
