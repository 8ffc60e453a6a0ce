"""A made-up paper with results of every sort: each verdict, amended checks, failures, selections, extended seeds."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import polars as pl

from assay.claims import (
    Amendment,
    Check,
    Claim,
    Condition,
    Count,
    Exact,
    Interval,
    Mean,
    Report,
    above,
    at_least,
    at_most,
    below,
    between,
    difference,
    exact,
    scalar,
    unit,
)
from assay.report.figures import figure
from assay.results import Expected, Results

EVIL = "<script>document.title='owned'</script>\"'&<img src=x onerror=alert(1)>]]>--></script>\u2028"
ARMS = {"lion": 0.0, "sgd": 0.06, "adamw": 0.03}
DECAYS = (1.0, 5.0, 10.0, 20.0)
SEEDS = range(1, 9)


def signature(*parts):
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]


def base(experiment, arm, seed, **axes):
    return {
        "experiment": experiment,
        "arm": arm,
        "seed": seed,
        "signature": signature(experiment, arm, seed, axes),
        "registered": seed <= 5,
        **axes,
    }


def config(row):
    optimizer = {"name": row["arm"], "lr": 0.002, "weight_decay": row.get("optimizer.weight_decay", 0.0)}
    return {
        "module": {"name": "made_up/net", "measure_at": 20},
        "data": {"name": "fashion_mnist", "limit": 20000, "noise": "none"},
        "model": {"name": "mlp", "widths": [128, 128], "activation": "relu"},
        "loss": {"name": "cross_entropy"},
        "optimizer": optimizer | ({"kappa": {"name": "huber", "e": 0.01}} if row["arm"] == "lion" else {}),
        "schedule": {"name": "cosine", "final": 0.0},
        "budget": {"steps": 1500, "epochs": None, "batch": 128},
        "trainer": {"device": "cpu", "threads": 1},
        "seed": row["seed"],
    }


def make_results(scale="desk", seeds=SEEDS, text=""):
    """The tables; `text` is added to everything in them that is text."""
    rng = np.random.default_rng(0)
    runs, units, curves = [], [], []
    exact_run = base("exact", f"main{text}", 1)
    runs.append(exact_run | {"exact/1/conjugate": 3e-9, "exact/1/gradient": 4.1e-11, "exact/2/increase": 0.0})
    for arm, worse in ARMS.items():
        for decay in DECAYS:
            for seed in seeds:
                row = base("box", f"{arm}{text}", seed, **{"optimizer.weight_decay": decay})
                reached = 1.0 - 0.004 * rng.random() if arm == "lion" else 0.4 + rng.random()
                accuracy = 0.88 - worse - 0.002 * decay + 0.004 * rng.normal()
                runs.append(row | {
                    "box/reached": reached,
                    "test/accuracy": accuracy,
                    "time/step": 1e-3 * (1 + 0.1 * rng.random()),
                    "test/loss": 0.3 + 0.01 * decay + 0.02 * rng.normal(),
                })  # fmt: skip
                for step in range(0, 1501, 50):
                    loss = 2.3 * math.exp(-step / (250 + 3000 * worse)) + 0.2 + 0.01 * decay + 0.02 * rng.normal()
                    curves.append(row | {"name": "train/loss", "step": step, "value": loss})
                    curves.append(row | {"name": "box/violation", "step": step, "value": 4 * 0.99**step + 1e-6})
    for seed in seeds:
        for arm in ("lion", "sgd"):
            row = base("qp", f"{arm}{text}", seed)
            runs.append(row | {"qp/slope": 1.9 + 0.2 * rng.normal()})
            for problem in range(4):
                gap = abs(2e-4 * rng.normal()) + (0.004 if (problem, seed) == (2, 3) else 0)
                units.append(row | {"unit": f"qp{problem}", "lambda": 1.0, "gap": gap})
    facts = {
        "commit": "0e992f3b2c5d7a91e6f0c2b4a8d3e5f7091a2b3c",
        "dirty": False,
        "versions": {"python": "3.11.2", "torch": "2.15.0", "numpy": "2.4.1"},
        "machine": {"system": "Linux", "cpu": f"a processor{text}", "cores": 2},
        "hours": [
            {"experiment": f"box{text}", "what": "evaluation", "runs": 96, "CPU-hours": 1.25, "GPU-hours": 0.0},
            {"experiment": f"box{text}", "what": "selection", "runs": 3, "CPU-hours": 0.25, "GPU-hours": 0.0},
            {"experiment": "imagenet", "what": "failed", "runs": 2, "CPU-hours": 0.0, "GPU-hours": 6.5},
        ],
        "held": {"GPU-hours": 8.0},
    }
    planned = len(ARMS) * len(DECAYS) * 5
    return Results(
        "made_up",
        scale,
        pl.DataFrame(runs, infer_schema_length=None),
        pl.DataFrame(units),
        pl.DataFrame(curves),
        expected={
            "exact": Expected(1, 1),
            "box": Expected(planned, planned),
            "qp": Expected(10, 10),
            "imagenet": Expected(12, 0, failed=2),
        },
        selections={
            "box": [{
                "key": "k",
                "stage": 1,
                "by": f"val/accuracy{text}",
                "mode": "max",
                "per": {"arm": "lion"},
                "candidates": [
                    {"values": {"optimizer.lr": lr}, "score": score}
                    for lr, score in ((1e-4, 0.81), (2e-3, 0.874), (0.1, 0.1))
                ],
                "winner": {"optimizer.lr": 2e-3},
            }]
        },
        failures=[
            {
                "signature": signature("imagenet", 1),
                "experiment": "imagenet",
                "arm": "lion",
                "seed": 1,
                "class": "oom",
                "message": f"RuntimeError: [enforce fail at alloc_cpu.cpp] not enough memory: 12884901888 bytes{text}",
                "traceback": 'Traceback (most recent call last):\n  File "train.py", line 1, in <module>\nRuntimeError',
            },
            {
                "signature": signature("imagenet", 2),
                "experiment": "imagenet",
                "arm": "sgd",
                "seed": 1,
                "class": "nan",
                "message": "Diverged: the loss is not finite at step 418",
            },
        ],
        facts=facts,
    )  # fmt: skip


def claims_and_checks(text=""):
    """Claims that come out each way, and checks of each kind."""
    lion, sgd, adamw = (f"{arm}{text}" for arm in ARMS)
    claims = [
        Claim("C1", f"Lion with decay λ minimises f subject to max |x_i| <= 1/λ{text}", "Thm. 2.1", None),
        Claim("C2", "The Lyapunov function H(x, m) never increases along the flow", f"Thm. 3.1{text}", "exact"),
        Claim("C3", "Lion is more accurate than SGD at the same decay", "Table 2", f"87.1 % against 82.4 %{text}"),
        Claim("C4", "AdamW uses less time for a step than Lion", "Sec. 5", "about 10 % less"),
        Claim("C5", "A stronger bound lowers the final accuracy", "Fig. 4"),
        Claim("C6", "The best exponent depends on the architecture on ImageNet", "Table 5", "ResNet-50: p = 1.2"),
        Claim("C7", "The gap falls with the square of the step size", "Thm. 4.1"),
    ]
    accuracy = lambda arm, **where: scalar("box", "test/accuracy", arm, **where)  # noqa: E731
    checks = [
        Check(
            "1", f"Conjugates agree with the solver, gradients with finite differences{text}", [],
            Exact([
                Condition(exact("1", "conjugate"), at_most(1e-6), f"conjugate{text}"),
                Condition(exact("1", "gradient"), at_most(1e-8), "gradient"),
            ]), unit=f"problem{text}",
        ),
        Check(
            "2", "Largest relative increase of H between samples, 10 seeds", ["C2"],
            Exact([Condition(exact("2", "increase"), at_most(1e-6), "increase")]),
        ),
        Check(
            "3", "max |x_i| λ lies between 0.99 and 1.01 for Lion at every λ, in every seed", ["C1"],
            Count([Condition(scalar("box", "box/reached", lion, group="optimizer.weight_decay"), between(0.99, 1.01), "max |x| λ")]),
            amended=Amendment("2026-11-25", f"max |x_i| λ <= 1.01 in 3 of 3 seeds{text}", f"a bound that is never reached is not seen to act{text}"),
        ),
        Check(
            "4a", "The gap to the solver is at most 1e-3 in at least 18 of 20 problems", ["C1", "C7"],
            Count([Condition(unit("qp", "gap", lion), at_most(1e-3), "gap")], need=18), unit="seed, problem",
        ),
        Check(
            "5", "Accuracy of Lion minus accuracy of SGD, paired by seed", ["C3"],
            Interval(difference(accuracy(lion), accuracy(sgd)), above(0), name="difference"),
        ),
        Check(
            "6", "Time of a step, Lion minus AdamW, paired by seed", ["C4"],
            Interval(difference(scalar("box", "time/step", lion), scalar("box", "time/step", adamw)), above(1e-3), name="difference (s)"),
        ),
        Check(
            "7", "Accuracy at λ = 1 minus accuracy at λ = 5, paired by seed", ["C5"],
            Interval(difference(accuracy(lion, optimizer__weight_decay=1.0), accuracy(lion, optimizer__weight_decay=5.0)), above(0.006), name="difference"),
        ),
        Check("8", "Best exponent by architecture", ["C6"], Interval(scalar("imagenet", "test/accuracy"), above(0.5))),
        Check(
            "9", "Slope of the gap against the step size lies in [0.7, 2.2]", ["C7"],
            Count([Condition(scalar("qp", "qp/slope", lion), at_least(2.5), "slope")], need=4),
        ),
        Check(
            "10", f"Accuracy by decay{text}", ["C5"],
            Report([Condition(scalar("box", "test/accuracy", lion, group="optimizer.weight_decay"), at_least(-math.inf), "accuracy")]),
        ),
    ]  # fmt: skip
    return claims, checks


def rules(text=""):
    """A claim and checks that show each rule of judgement once, among them one that cannot be judged."""
    lion, sgd = f"lion{text}", f"sgd{text}"
    accuracy = lambda arm, **more: scalar("box", "test/accuracy", arm, **more)  # noqa: E731
    by_decay = {"group": "optimizer.weight_decay"}
    lead = accuracy(lion, **by_decay) - accuracy(sgd, **by_decay)
    first = accuracy(lion, optimizer__weight_decay=1.0)
    claims = [Claim("C1", f"Rules are kept{text}", "Sec. 1"), Claim("C2", "Nothing serves it but a gate", "Sec. 2")]
    kinds = {
        "any": Interval(lead, above(0.05), name="lead", groups="any"),
        "two": Interval(lead, above(0.0), name="lead", groups=2),
        "some": Interval(accuracy(lion, **by_decay), above(0.87), name="accuracy", groups=(1, 3)),
        "refuted": Interval(accuracy(lion, **by_decay), above(0.95), name="accuracy", groups=(3, 2)),
        "margin": Interval(first, at_least(0.876), name="accuracy", margin=0.02),
        "mean alone": Interval(first, at_least(0.87), name="accuracy", margin=math.inf),
        "against": Interval(lead, above(0.2), name="lead", against=below(0.1)),
        "between": Interval(first, between(0.8775, 0.8785), name="accuracy", level=0.1),
        "missing": Interval((first - 0.876).log(), below(0.0), name="log excess", missing=0.5),
        "undefined": Interval((first - 0.876).log(), below(0.0), name="log excess"),
        "pooled": Interval(lead, above(0.05), name="lead", pool=True),
        "nested": Interval(unit("qp", "gap", lion), at_most(0.01), name="gap", clusters=True),
        "every seed": Count([accuracy(lion) >= 0.85]),
        "most seeds": Count([accuracy(lion) >= 0.858, scalar("box", "test/loss", lion) <= 1.0], need=4),
        "few seeds": Count([accuracy(lion) >= 0.95], need=0.8),
        "nearly": Count([accuracy(lion) >= 0.861]),
        "few, against": Count([accuracy(lion) >= 0.861], need=5, against=2),
        "problems": Count([unit("qp", "gap", lion) <= 1.5e-4], need=0.9, undecided=[unit("qp", "gap", lion) <= 4e-4]),
        "in some group": Count([accuracy(lion, **by_decay) >= 0.86], groups="any"),
        "exact": Exact([exact("1", "conjugate") <= 1e-6, exact("2", "increase").equals(0.0)]),
    }  # fmt: skip
    checks = [Check(id, f"rule: {id}{text}", ["C1"], kind) for id, kind in kinds.items()]
    gate = Check("learns", "The mean accuracy is above 0.9", ["C2"], Mean(accuracy(lion), above(0.9), "accuracy"))
    levels = Check(
        "levels", "At each decay the mean accuracy is at least 0.86", [],
        Mean(accuracy(lion, **by_decay), at_least(0.86), "accuracy"),
    )  # fmt: skip
    checks += [
        gate,
        levels,
        Check("held back", "Lion leads, where it learns", ["C1"], kinds["two"], gate=["learns"]),
        Check("level by level", "Lion leads, where it learns", ["C1"],
              Interval(lead, above(0.0), name="lead", groups=2), gate_each="levels"),
        Check("broken", f"A check with a mistake{text}", ["C1"], Count([Condition(broken, at_least(0), "x")]), experiment="box"),
        Check("code", "The code does what its equations say", [], Exact([exact("1", "conjugate") <= 1e-12])),
    ]  # fmt: skip
    return claims, checks


def broken(results):
    raise KeyError("no such column")


@figure("loss", title="Lion falls fastest", alt="Training loss against steps for three optimizers.", after="Fig. 1")
def loss(results):
    from assay.report import style
    from assay.report.figures import need

    fig = style.figure(7.2, 3.4)
    ax = fig.subplots()
    style.band(ax, need(results.curve("box", "train/loss"), "curve of the loss"), "step", "value")
    style.label(ax, "step", "training loss", yunit="nats")
    style.legend(ax)
    return fig


@figure("accuracy", title="Accuracy falls with decay", alt="Test accuracy by decay.", after="Table 2")
def accuracy(results):
    from assay.report import style
    from assay.report.figures import need

    fig = style.figure(7.2, 3.4)
    left, right = fig.subplots(1, 2)
    frame = need(results.of("box"), "run of box")
    style.band(left, frame, "optimizer.weight_decay", "test/accuracy", markers=True)
    left.set_xscale("log")
    style.label(left, "weight decay λ", "test accuracy")
    style.dots(right, frame.filter(pl.col("optimizer.weight_decay") == 10), "test/accuracy", order=list(ARMS))
    style.threshold(right, 0.87, "paper: 0.871")
    style.label(right, "", "test accuracy", title="λ = 10")
    return fig


@figure("imagenet", title="The best exponent", alt="Accuracy against exponent.", after="Table 5")
def imagenet(results):
    from assay.report.figures import need

    need(results.of("imagenet"), "finished run of imagenet")


FIGURES = [loss, accuracy, imagenet]


def make_details(results):
    return {
        row["signature"]: {
            "config": config(row),
            "seconds": 2.0 + row["seed"] / 10,
            "command": f"assay run {row['signature']}",
            "commit": "0e992f3",
        }
        for row in results.runs.iter_rows(named=True)
    }
