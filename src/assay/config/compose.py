"""From choices and values to one run's configuration, checked and in canonical form.

Hydra composes each chosen part once; everything after that is plain dictionaries, so that planning ten thousand runs
takes seconds. A run's configuration is what its signature is computed from: the parts that its module takes, their
typed values, the budget, the seed, the device class and the inputs from other runs; nothing else.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import math
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from hydra_zen import ZenField, make_config

from assay.config import loading as part_loader
from assay.config import yamlfile
from assay.errors import UserError, unknown
from assay.registry import KINDS, REQUIRED, Part, check_value
from assay.system import places

SIGNATURE_SCHEMA = 1
OTHER_GROUPS = ("trainer",)
"""Groups that are not registries: plain YAML files under conf/."""

BUDGET = {"steps": None, "epochs": None, "batch": None}

Choices = dict[str, str]
Values = dict[str, Any]
Layer = Mapping[str, Any]


def is_choice(key: str) -> bool:
    """Whether a key of a layer chooses a part ("optimizer", "optimizer/kappa") or sets a value ("optimizer.lr")."""
    return "." not in key


def merge(layers: Iterable[Layer]) -> tuple[Choices, Values]:
    """Merge layers, later ones winning.

    A value belongs to the choice that was in force when it was set and goes with it when that part is swapped; a
    value that was set while its part was still open applies to whatever is chosen.
    """
    choices: dict[str, str] = {}
    values: dict[str, tuple[Any, str | None]] = {}
    for layer in layers:
        for key, name in layer.items():
            if is_choice(key) and choices.get(key) != name:
                if key in choices:
                    values = {k: v for k, v in values.items() if v[1] is None or not _within(v[1], key)}
                    choices = {k: v for k, v in choices.items() if not k.startswith(key + "/")}
                choices[key] = name
        for key, value in layer.items():
            if not is_choice(key):
                values[key] = (value, _owner(key, choices))
    chosen = {key: name for key, name in choices.items() if name is not None}
    return chosen, {key: value for key, (value, _) in values.items()}


def _within(group: str, changed: str) -> bool:
    return group == changed or group.startswith(changed + "/")


def _owner(key: str, choices: Mapping[str, str]) -> str | None:
    path = key.split(".")
    for length in range(len(path) - 1, 0, -1):
        group = "/".join(path[:length])
        if group in choices:
            return group
    return None


def assemble(choices: Choices, values: Values, seed: int, inputs: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The configuration of one run, complete and validated.

    Raises:
        UserError: an unknown part, key or value, or a part that the module has no use for.
    """
    tops = {key.partition(".")[0] for key in values} | {key.partition("/")[0] for key in choices}
    for top in sorted(tops):
        if top not in KINDS and top not in (*OTHER_GROUPS, "budget"):
            raise unknown("group", top, [*KINDS, *OTHER_GROUPS, "budget"])
    if "module" not in choices:
        raise UserError("no module is chosen (add module=NAME, or paper=NAME experiment=NAME)")
    module = KINDS["module"][choices["module"]]
    takes = module.target.takes  # type: ignore[attr-defined]
    for top in sorted(tops - {"module", "budget", *OTHER_GROUPS}):
        if top not in takes:
            raise UserError(f"module {module.name} takes no {top} (it takes {', '.join(takes) or 'no parts'})")
    config: dict[str, Any] = {}
    for kind in ("module", *takes):
        config[kind] = _node(kind, choices, values, module.target.default_parts)  # type: ignore[attr-defined]
    config["budget"] = _budget(values)
    config["trainer"] = _trainer(choices, values)
    config["seed"] = seed
    if inputs:
        config["inputs"] = dict(inputs)
    return config


def _node(kind: str, choices: Choices, values: Values, defaults: Mapping[str, str]) -> dict[str, Any]:
    name = choices.get(kind, defaults.get(kind))
    if name is None:
        raise UserError(f"no {kind} is chosen (add {kind}=NAME; `assay parts --kind {kind}` lists them)")
    nested = tuple(sorted((k, v) for k, v in choices.items() if k.startswith(kind + "/")))
    prefix = kind + "."
    own = {key: value for key, value in values.items() if key.startswith(prefix)}
    try:
        cached = _validated(kind, name, nested, orjson.dumps(own, option=orjson.OPT_SORT_KEYS))
    except TypeError:
        raise UserError(f"{kind}: values must be plain (numbers, text, lists), got {own}") from None
    return _copied(cached)


def _copied(value: Any) -> Any:
    """A copy of plain nested values, one for every part of every run; `copy.deepcopy` takes ten times as long."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


@functools.lru_cache(maxsize=100_000)
def _validated(kind: str, name: str, nested: tuple[tuple[str, str], ...], own: bytes) -> dict[str, Any]:
    node = _copied(compose_part(kind, name, nested))
    for key, value in orjson.loads(own).items():
        _set(node, key, value)
    part, checked = KINDS[kind].validate(node, kind)
    return {"name": part.name, **checked}


def _set(node: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")[1:]
    for step in path:
        inner = node.get(step)
        if not isinstance(inner, dict):
            raise unknown(f"value of {key.split('.')[0]}={node['name']}", step, [k for k in node if k != "name"])
        node = inner
    if last not in node or last == "name" or last.startswith("_"):
        raise unknown(f"value of {node.get('name', key)}", last, [k for k in node if k != "name"])
    node[last] = value


def _budget(values: Values) -> dict[str, Any]:
    budget: dict[str, Any] = dict(BUDGET)
    for key, value in values.items():
        top, _, name = key.partition(".")
        if top != "budget":
            continue
        if name not in BUDGET:
            raise unknown("value of budget", name, BUDGET)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            raise UserError(f"{key}={value}: expected a whole number, zero or more")
        budget[name] = value
    if budget["steps"] is not None and budget["epochs"] is not None:
        raise UserError("budget.steps and budget.epochs are both set; choose one (the other to null)")
    return budget


TRAINER_NEUTRAL = (("clip_norm", None), ("nodes", 1), ("devices", 1))
"""Values of the trainer that came later and change nothing; they are left out of signatures."""

TRAINER_TYPES = {"device": ("cpu", "cuda"), "precision": ("32", "64", "bf16-mixed", "16-mixed")}
TRAINER_COUNTS = ("threads", "nodes", "devices")


def _trainer(choices: Choices, values: Values) -> dict[str, Any]:
    trainer = dict(compose_other("trainer", choices.get("trainer", "cpu")))
    for key, value in values.items():
        top, _, name = key.partition(".")
        if top == "trainer":
            if name not in trainer:
                raise unknown("value of trainer", name, trainer)
            trainer[name] = value
    for name, allowed in TRAINER_TYPES.items():
        if str(trainer[name]) not in allowed:
            raise UserError(f"trainer.{name}={trainer[name]}: expected one of {', '.join(allowed)}")
    for name in TRAINER_COUNTS:
        value = trainer[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise UserError(f"trainer.{name}={value}: expected a number of {name}")
    clip = trainer["clip_norm"]
    if clip is not None:
        if isinstance(clip, bool) or not isinstance(clip, (int, float)) or not 0 < clip < math.inf:
            raise UserError(f"trainer.clip_norm={clip}: expected a positive number, or null for no clipping")
        trainer["clip_norm"] = float(clip)
    trainer["precision"] = str(trainer["precision"])
    return trainer


def processes(trainer: Mapping[str, Any]) -> tuple[int, int]:
    """Nodes of a run, and its processes on each; configurations from before there could be several say neither."""
    return int(trainer.get("nodes", 1)), int(trainer.get("devices", 1))


def signature(config: Mapping[str, Any]) -> str:
    """The name of a run: sha256 over canonical JSON of what it computes; 20 hex digits (80 bits) are kept."""
    payload = {key: _without_neutral(key, node) if key in KINDS else node for key, node in config.items()}
    payload["trainer"] = {key: value for key, value in config["trainer"].items() if (key, value) not in TRAINER_NEUTRAL}
    payload["schema"] = SIGNATURE_SCHEMA
    text = orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:20]


def _without_neutral(kind: str, node: Mapping[str, Any]) -> dict[str, Any]:
    part = KINDS[kind][node["name"]]
    kept: dict[str, Any] = {}
    for key, value in node.items():
        if key in part.neutral and part.neutral[key] == value:
            continue
        nests = part.fields[key].nests if key in part.fields else None
        kept[key] = _without_neutral(nests, value) if nests else value
    return kept


def chosen_parts(config: Mapping[str, Any]) -> list[Part]:
    """The parts that a configuration builds, nested ones included."""
    found: list[Part] = []

    def visit(kind: str, node: Mapping[str, Any]) -> None:
        part = KINDS[kind][node["name"]]
        found.append(part)
        for key, item in part.fields.items():
            if item.nests and isinstance(node.get(key), Mapping):
                visit(item.nests, node[key])

    for key, node in config.items():
        if key in KINDS:
            visit(key, node)
    return found


# -- Hydra ----------------------------------------------------------------------------------------------------------


def store_nodes() -> None:
    """Put a typed node for every registered part into Hydra's config store."""
    from hydra.core.config_store import ConfigStore

    store = ConfigStore.instance()
    # Hydra copies the store, which is half of the time of a composition, and each node again when it reads it.
    ConfigStore.__deepcopy__ = lambda self, memo: self  # type: ignore[attr-defined]
    for kind in list(KINDS):
        for part in KINDS[kind]:
            _store(store, kind, kind, part)
            for key, item in part.fields.items():
                if item.nests is not None:
                    for inner in KINDS[item.nests]:
                        _store(store, f"{kind}/{key}", f"{kind}.{key}", inner)


def _store(store: Any, group: str, package: str, part: Part) -> None:
    defaults: list[Any] = ["_self_"]
    fields: dict[str, Any] = {"name": ZenField(str, part.name)}
    for key, item in part.fields.items():
        if item.nests is not None:
            fields[key] = ZenField(Any, "???")
            # Without a default the group is open: choosing is up to the user, and our own message says so.
            open_ = item.default is REQUIRED
            defaults.append({key: None if open_ else KINDS[item.nests].named(type(item.default)).name})
        elif item.default is REQUIRED:
            fields[key] = ZenField(Any, "???")
        else:
            default = part.defaults()[key]
            fields[key] = ZenField(_omegaconf_type(item.annotation), default)
    node = make_config(hydra_defaults=defaults, **fields)
    folder, _, leaf = part.name.rpartition("/")
    store.store(group=f"{group}/{folder}" if folder else group, name=leaf, node=node, package=package, provider="assay")


def _omegaconf_type(annotation: Any) -> Any:
    """The types that OmegaConf checks by itself; for all others pydantic does the checking after composing."""
    return annotation if annotation in (int, float, bool, str) else Any


@functools.cache
def compose_part(kind: str, name: str, nested: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    """One part's node as Hydra composes it, nested choices applied."""
    KINDS[kind][name]  # an unknown name gets our own message, with the nearest names
    for group, inner in nested:
        _check_nested(kind, name, group, inner)
    overrides = [added(f"{kind}={name}"), *(f"{group}={inner}" for group, inner in nested)]
    return dict(_compose(tuple(overrides))[kind])


def _check_nested(kind: str, name: str, group: str, inner: str) -> None:
    part = KINDS[kind][name]
    for step in group.split("/")[1:]:
        item = part.fields.get(step)
        if item is None or item.nests is None:
            nests = [key for key, f in part.fields.items() if f.nests]
            raise unknown(f"nested part of {kind}={name}", step, nests)
        part = KINDS[item.nests][inner] if group.endswith("/" + step) else part


@functools.cache
def compose_other(group: str, name: str) -> Mapping[str, Any]:
    """A node of a plain YAML group, e.g. trainer=gpu."""
    names = [path.stem for path in (places.CONF / group).glob("*.yaml")]
    if name not in names:
        raise unknown(group, name, names)
    return dict(_compose((f"{group}={name}",))[group])


@functools.cache
def primary_groups() -> frozenset[str]:
    """The groups that the defaults list of conf/config.yaml names."""
    defaults = yamlfile.load(places.CONF / "config.yaml")["defaults"]
    return frozenset(key for entry in defaults if isinstance(entry, dict) for key in entry)


def added(word: str) -> str:
    """A choice as Hydra wants it: kinds that the defaults list does not name (a paper's own) are added with `+`."""
    group = word.partition("=")[0]
    return f"+{word}" if group in KINDS and group not in primary_groups() else word


_stored: set[int] = set()


def _compose(overrides: tuple[str, ...]) -> dict[str, Any]:
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    if sum(len(r.parts) for r in KINDS.values()) not in _stored:
        store_nodes()
        _stored.add(sum(len(r.parts) for r in KINDS.values()))
    previous = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        logging.getLogger("hydra").setLevel(logging.ERROR)
        with initialize_config_dir(str(places.CONF), version_base="1.3"):
            config = compose("config", overrides=list(overrides))
            plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    finally:
        GlobalHydra.instance().hydra = previous
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def load(paper: str | None) -> None:
    """Register what a paper (or none) can use."""
    part_loader.load(paper)


def from_hydra(config: Mapping[str, Any]) -> dict[str, Any]:
    """The canonical configuration of what the Hydra app composed."""
    module, _ = KINDS["module"].validate(config.get("module") or {}, "module")
    takes = module.target.takes  # type: ignore[attr-defined]
    kinds = {kind for kind in KINDS if config.get(kind) is not None}
    for extra in sorted(kinds - {"module", *takes}):
        raise UserError(f"module {module.name} takes no {extra} (it takes {', '.join(takes) or 'no parts'})")
    out: dict[str, Any] = {}
    for kind in ("module", *takes):
        node = config.get(kind) or {"name": module.target.default_parts.get(kind)}  # type: ignore[attr-defined]
        if node["name"] is None:
            raise UserError(f"no {kind} is chosen (add {kind}=NAME; `assay parts --kind {kind}` lists them)")
        part, values = KINDS[kind].validate(node if len(node) > 1 else compose_part(kind, node["name"]), kind)
        out[kind] = {"name": part.name, **values}
    out["budget"] = _budget({f"budget.{key}": value for key, value in config["budget"].items()})
    out["trainer"] = _trainer({}, {f"trainer.{key}": value for key, value in config["trainer"].items()})
    out["seed"] = check_value(int, config["seed"], "seed")
    if config.get("inputs"):
        out["inputs"] = dict(config["inputs"])
    return out


def override_words(config: Mapping[str, Any]) -> list[str]:
    """Command-line overrides that give exactly this configuration, every value written out."""
    words: list[str] = []
    for kind, node in config.items():
        if kind in KINDS:
            words += _node_words(kind, node)
        elif isinstance(node, Mapping):
            plus = "+" if kind == "inputs" else ""
            # "32" is a precision by any spelling
            bare = {key: value if key == "precision" else _word(value) for key, value in node.items()}
            words += [f"{plus}{kind}.{key}={text}" for key, text in bare.items()]
        else:
            words.append(f"{kind}={_word(node)}")
    return words


def _node_words(path: str, node: Mapping[str, Any]) -> list[str]:
    words = [f"{path.replace('.', '/')}={node['name']}"]
    for key, value in node.items():
        if isinstance(value, Mapping) and "name" in value:
            words += _node_words(f"{path}.{key}", value)
        elif key != "name":
            words.append(f"{path}.{key}={_word(value)}")
    return words


def _word(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        plain = value.replace("_", "").replace("-", "").isalnum() and not value[0].isdigit()
        return value if plain else "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if isinstance(value, list):
        return "[" + ",".join(map(_word, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_word(item)}" for key, item in value.items()) + "}"
    return repr(value)
