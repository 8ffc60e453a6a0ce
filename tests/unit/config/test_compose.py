"""Layers, configurations and signatures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.config import compose, loading
from assay.errors import UserError
from assay.registry import KINDS


@pytest.fixture(scope="module", autouse=True)
def _load():
    loading.load_shared()


NET = {
    "module": "classifier",
    "data": "tabular_sklearn",
    "data.table": "digits",
    "model": "mlp",
    "loss": "cross_entropy",
    "optimizer": "sgd",
    "budget.steps": 3,
}


def config_of(*layers, seed=1, inputs=None):
    choices, values = compose.merge([NET, *layers])
    return compose.assemble(choices, values, seed, inputs)


def test_a_swapped_part_takes_its_values_along():
    choices, values = compose.merge(
        [
            {"optimizer": "lion_k", "optimizer.betas": [0.9, 0.99], "optimizer/kappa": "huber", "optimizer.kappa.e": 1},
            {"optimizer": "sgd", "optimizer.momentum": 0.5},
        ]
    )
    assert choices == {"optimizer": "sgd"}
    assert values == {"optimizer.momentum": 0.5}


def test_a_value_without_a_choice_applies_to_whatever_is_chosen():
    choices, values = compose.merge([{"optimizer.lr": 0.1}, {"optimizer": "sgd"}, {"optimizer": "adamw"}])
    assert choices == {"optimizer": "adamw"}
    assert values == {"optimizer.lr": 0.1}


def test_choosing_the_same_part_again_keeps_its_values():
    _, values = compose.merge([{"optimizer": "sgd", "optimizer.lr": 0.3}, {"optimizer": "sgd"}])
    assert values == {"optimizer.lr": 0.3}


def test_hydra_composes_what_the_registry_declares():
    kinds = {kind: [*KINDS[kind]] for kind in ("loss", "optimizer", "schedule", "model", "data")}
    for row in range(max(map(len, kinds.values()))):  # one of each kind at once: composing is what costs
        chosen = {kind: parts[row % len(parts)] for kind, parts in kinds.items()}
        composed = compose._compose(tuple(compose.added(f"{kind}={part.name}") for kind, part in chosen.items()))
        for kind, part in chosen.items():
            assert composed[kind] == part.defaults(), part.name


def test_signature_is_of_typed_values():
    assert compose.signature(config_of({"optimizer.lr": 1})) == compose.signature(config_of({"optimizer.lr": 1.0}))
    assert compose.signature(config_of({"optimizer.lr": 1})) != compose.signature(config_of({"optimizer.lr": 2}))
    assert compose.signature(config_of(seed=1)) != compose.signature(config_of(seed=2))
    assert compose.signature(config_of()) != compose.signature(config_of(inputs={"table": "abc"}))
    assert len(compose.signature(config_of())) >= 16


def test_signature_names_no_class_path():
    text = str(config_of())
    assert "assay." not in text
    assert "_target_" not in text


def test_a_changed_default_is_a_new_signature(monkeypatch):
    before = compose.signature(config_of())
    part = KINDS["optimizer"]["sgd"]
    fields = {**part.fields, "lr": type(part.fields["lr"])(float, 0.777)}
    changed = type(part)(part.kind, part.name, part.target, part.source, fields)
    monkeypatch.setitem(KINDS["optimizer"].parts, "sgd", changed)
    monkeypatch.setattr(compose, "_stored", set())
    compose.compose_part.cache_clear()
    compose._validated.cache_clear()
    try:
        after = config_of()
        assert after["optimizer"]["lr"] == 0.777
        assert compose.signature(after) != before
    finally:
        monkeypatch.undo()
        compose._stored.clear()
        compose.compose_part.cache_clear()
        compose._validated.cache_clear()
    assert compose.signature(config_of()) == before


def test_a_neutral_new_parameter_keeps_signatures(monkeypatch):
    config = config_of()
    before = compose.signature(config)
    part = KINDS["optimizer"]["sgd"]
    fields = {**part.fields, "new": type(part.fields["lr"])(float, 0.0)}
    monkeypatch.setitem(
        KINDS["optimizer"].parts,
        "sgd",
        type(part)(part.kind, part.name, part.target, part.source, fields, {"new": 0.0}),
    )
    assert compose.signature({**config, "optimizer": {**config["optimizer"], "new": 0.0}}) == before
    assert compose.signature({**config, "optimizer": {**config["optimizer"], "new": 0.5}}) != before


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"optimizer.learning_rate": 1}, "unknown value of sgd 'learning_rate'"),
        ({"optimizer.lr": "fast"}, "optimizer.lr=fast: expected float"),
        ({"optimizer": "sdg"}, "unknown optimizer 'sdg': did you mean sgd"),
        ({"optimizr": "sgd"}, "unknown group 'optimizr': did you mean optimizer"),
        ({"bandit": "tsallis_inf"}, "module classifier takes no bandit"),
        ({"budget.steps": -1}, "budget.steps=-1: expected a whole number"),
        ({"budget.epochs": 1}, "budget.steps and budget.epochs are both set"),
        ({"budget.stepz": 1}, "unknown value of budget 'stepz': did you mean steps"),
        ({"trainer.device": "tpu"}, "trainer.device=tpu: expected one of cpu, cuda"),
        ({"trainer": "gpuu"}, "unknown trainer 'gpuu': did you mean gpu"),
        ({"optimizer": "lion_k", "optimizer/kapa": "l1"}, "unknown nested part of optimizer=lion_k 'kapa'"),
        ({"optimizer": "lion_k", "optimizer/kappa": "hubber"}, "unknown kappa 'hubber': did you mean huber"),
    ],
)
def test_wrong_layers_are_one_line(layer, message):
    with pytest.raises(UserError) as caught:
        config_of(layer)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_the_written_out_command_gives_the_same_run():
    from assay import train

    config = config_of(
        {"optimizer": "lion_k", "optimizer/kappa": "huber", "optimizer.kappa.e": 0.25, "model.hidden": [7, 5]}
    )
    words = compose.override_words(config)
    _, again = train.resolve([(key, value) for key, value, _ in train.parse(words)])
    assert compose.signature(again) == compose.signature(config)


keys = st.sampled_from(["optimizer", "optimizer.lr", "optimizer.momentum", "model", "model.gain"])


@given(st.lists(st.dictionaries(keys, st.sampled_from(["sgd", "adamw", "mlp"]), max_size=4), max_size=5))
def test_merging_is_associative_at_the_end(layers):
    """An empty layer changes nothing, and the last layer's own keys always win."""
    choices, values = compose.merge([*layers, {}])
    assert (choices, values) == compose.merge(layers)
    if layers:
        for key, value in layers[-1].items():
            assert (choices if compose.is_choice(key) else values)[key] == value
