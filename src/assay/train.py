"""The Hydra app: one run, or with `-m` an ad-hoc study.

    python -m assay.train paper=lion_k experiment=net optimizer.weight_decay=5
    python -m assay.train paper=lion_k experiment=net arm=lion,sgd seed=1,2,3 -m
    python -m assay.train module=classifier data=tabular_sklearn data.table=digits model=mlp loss=cross_entropy \\
        optimizer=sgd budget.epochs=3

`paper=`, `experiment=`, `arm=` and `scale=` stand for the choices and values that the paper's configuration gives
them; what else is on the command line wins over those, and a swapped part takes its values with it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from assay.system.entry import last_word, leave_after, listen

if __name__ == "__main__":
    listen()  # the imports below take seconds

from assay.config import compose
from assay.errors import UserError, unknown
from assay.registry import KINDS
from assay.study.declared import SCALES, Study, adhoc_layers

SELECTORS = ("paper", "experiment", "arm", "scale", "seed")
HYDRA_KEYS = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.job.name", "hydra.verbose")
HYDRA_GROUPS = {"hydra/launcher": ("local", "slurm", "basic"), "hydra/sweeper": ("assay", "basic")}
FLAGS = ("-m", "--multirun", "-c", "--cfg", "--resolve", "-p", "--package", "-i", "--info", "-h", "--help",
         "--hydra-help", "--version", "job", "hydra", "all", "defaults", "defaults-tree", "config", "plugins",
         "searchpath")  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Run the app; bad input is one line and exit code 2."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        guard(words)
        _launch(words)
    except UserError as error:
        last_word(f"assay.train: {error}")
        raise SystemExit(error.exit_code) from None


def guard(words: Sequence[str]) -> None:
    """Refuse, before Hydra sees it, whatever could bring code or secrets into a configuration.

    Raises:
        UserError: naming the word.
    """
    for word in words:
        if "=" not in word:
            if word not in FLAGS:
                raise UserError(f"'{word}' is neither key=value nor a flag (see --help)")
            continue
        if word.startswith("-"):
            raise UserError(
                f"'{word}': configurations come from the checkout; {word.partition('=')[0]} is not accepted"
            )
        key = word.partition("=")[0].lstrip("+~")
        if "_target_" in word or "_args_" in word or "_partial_" in word:
            raise UserError(f"'{word}': parts are chosen by their registered names; import paths are not accepted")
        if "${" in word:
            raise UserError(f"'{word}': interpolations are not accepted on the command line")
        if key.partition("/")[0].partition(".")[0] == "hydra":
            _guard_hydra(word, key)


def _guard_hydra(word: str, key: str) -> None:
    if key in HYDRA_KEYS or key.startswith(("hydra.launcher.", "hydra.sweeper.params")):
        return
    if key in HYDRA_GROUPS:
        value = word.partition("=")[2]
        if value not in HYDRA_GROUPS[key]:
            raise unknown(key, value, HYDRA_GROUPS[key])
        return
    raise UserError(
        f"'{word}': of Hydra's own settings only folders, launcher, sweeper, job name and verbosity may be set"
    )


def parse(words: Sequence[str]) -> list[tuple[str, Any, bool]]:
    """(key, value, is a sweep) of override words, by Hydra's own grammar."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parsed = []
    for word in words:
        try:
            override = OverridesParser.create().parse_override(word)
        except HydraException as error:
            raise UserError(f"'{word}': {str(error).splitlines()[0].lower()}") from None
        if override.is_delete():
            raise UserError(f"'{word}': values cannot be deleted; set them to null")
        if override.is_sweep_override():
            choices = [_plain(v) for v in override.sweep_iterator()]
            parsed.append((override.key_or_group, choices, True))
        else:
            parsed.append((override.key_or_group, _plain(override.value()), False))
    return parsed


def _plain(value: Any) -> Any:
    from hydra.core.override_parser.types import QuotedString

    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, str) and value.startswith(("'", '"')):
        return value[1:-1]
    return value


def resolve(overrides: Sequence[tuple[str, Any]]) -> tuple[str | None, dict[str, Any]]:
    """The paper and the configuration that (key, value) overrides ask for."""
    selected = {key: value for key, value in overrides if key in SELECTORS}
    rest = {key: value for key, value in overrides if key not in SELECTORS}
    paper, seed = selected.get("paper"), selected.get("seed", 1)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise UserError(f"seed={seed}: expected a whole number")
    layers, inputs, levels = _layers(selected, rest)
    user: list[compose.Layer] = []
    for key, value in rest.items():
        if key.startswith("inputs."):
            inputs[key.partition(".")[2]] = str(value)
        elif key not in levels:
            user.append({key: value})
    if paper is None:
        compose.load(None)
    choices, values = compose.merge([*layers, *user])
    return paper, compose.assemble(choices, values, seed, inputs)


def _layers(
    selected: dict[str, Any], rest: dict[str, Any]
) -> tuple[list[compose.Layer], dict[str, str], dict[str, Any]]:
    """Layers, inputs and levels of named axes that the selectors stand for."""
    paper, experiment = selected.get("paper"), selected.get("experiment")
    scale = selected.get("scale", "desk")
    if scale not in SCALES:
        raise unknown("scale", str(scale), SCALES)
    if paper is None:
        if experiment is not None:
            raise UserError(f"experiment={experiment} needs a paper (add paper=NAME)")
        return [], {}, {}
    study = Study.of(str(paper))
    compose.load(study.slug)
    if experiment is None:
        if "module" in rest:  # everything is chosen by hand; the paper says whose parts and whose records
            return [], {}, {}
        only = ", ".join(study.experiments)
        raise UserError(f"paper={paper} needs an experiment (add experiment=NAME; there is {only})")
    known = study.experiments.get(str(experiment))
    named = known.named_axes(scale) if known and scale in known.scales else []
    levels = {axis: rest[axis] for axis in named if axis in rest}
    layers, inputs = adhoc_layers(study, scale, str(experiment), selected.get("arm"), selected.get("seed", 1), levels)
    return layers, inputs, levels


def expand(words: Sequence[str]) -> list[str]:
    """Hydra overrides for what the selectors stand for, to be put before the user's own words.

    For a sweep the first value of each swept word is taken, and the kinds whose choice is swept are left out.
    """
    parsed = parse(words)
    _, config = resolve([(key, value[0] if swept else value) for key, value, swept in parsed])
    swept = {key.partition("/")[0] for key, _, is_sweep in parsed if is_sweep and "." not in key}
    config = {kind: node for kind, node in config.items() if kind != "seed" and kind not in swept}
    return [compose.added(word) for word in compose.override_words(config)]


def _forced(word: str) -> str:
    """A value that Hydra takes although its part is not known yet; groups and selectors as they are."""
    key = word.lstrip("+").partition("=")[0]
    group = key.partition("/")[0]
    if key.startswith("hydra") or key in SELECTORS or ("." not in key and group in (*KINDS, *compose.OTHER_GROUPS)):
        return compose.added(word.lstrip("+"))
    return "++" + word.lstrip("+")


def _launch(words: list[str]) -> None:
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    from assay.system import places

    overrides = [word for word in words if "=" in word and not word.lstrip("+").startswith("hydra")]
    multirun = "-m" in words or "--multirun" in words
    ours = not any(word == "hydra/launcher=basic" for word in words)
    if overrides:
        swept = [key for key, _, is_sweep in parse(overrides) if is_sweep]
        if swept and not multirun:
            raise UserError(f"{swept[0]} has several values; add -m to run them all")
        selectors = [key for key in swept if key in ("paper", "experiment", "arm", "scale")]
        if selectors and not ours:
            raise UserError(f"sweeping over {selectors[0]} needs hydra/launcher=local or slurm")
    # Assay's launchers compose the jobs of a multirun themselves; Hydra composes all else and needs every word.
    base = expand(overrides) if overrides and not (multirun and ours) else []
    plain = [_forced(word) if "=" in word else word for word in words]
    compose.store_nodes()

    @hydra.main(config_path=str(places.CONF), config_name="config", version_base="1.3")
    def app(cfg: Any) -> None:
        config = compose.from_hydra(OmegaConf.to_container(cfg, resolve=True))  # type: ignore[arg-type]
        chosen = HydraConfig.get().runtime.choices.get("paper")
        try:
            run_and_tell(config, chosen if chosen not in (None, "null") else None)
        except UserError as error:  # Hydra would print it as a crash of the app
            last_word(f"assay.train: {error}")
            raise SystemExit(error.exit_code) from None

    flags = [word for word in plain if "=" not in word]  # argparse wants them before all overrides
    sys.argv = [sys.argv[0], *flags, *base, *(word for word in plain if "=" in word)]
    app()


def run_and_tell(config: dict[str, Any], paper: str | None) -> None:
    """Do one run in the foreground, show how it goes, what came out and how to repeat it."""
    from assay.app.foreground import run_here
    from assay.study.session import check_paper_is_sound

    if paper is not None:
        check_paper_is_sound(paper)
    code = run_here(config, paper)
    if code:
        raise SystemExit(code)


if __name__ == "__main__":
    leave_after(main)
