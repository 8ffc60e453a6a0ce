"""Reproducing a paper, or running an ad-hoc sweep, on a cluster: ties a session to a sweep on disk and a launcher."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from assay.launch import packing, profiles, site
from assay.launch.profiles import Profile
from assay.launch.slurm import Launcher, check, submit_follower
from assay.launch.sweeps import Sweep, folder_of_sweeps, identify
from assay.study.declared import More, Run
from assay.study.session import Session, Swept, precedents, sweep, write_report


def attach(session: Session, profile_name: str, profile: Profile) -> Sweep:
    """The sweep of a request: the one that is there, or a new one."""
    options = {
        "experiments": sorted(session.experiments),
        "seeds": session.seeds,
        "overrides": dict(session.overrides),
        "keep_stale": session.keep_stale,
        **({"more": [asdict(one) for one in session.more]} if session.more else {}),
    }
    name = identify(session.paper, session.scale, options)
    return _described(name, session.paper, session.scale, options, profile_name, profile)


def attach_adhoc(paper: str, signatures: Sequence[str], profile_name: str, profile: Profile) -> Sweep:
    """The sweep of an ad-hoc study: the same runs are the same sweep."""
    options = {"runs": list(signatures)}
    return _described(identify(paper, "adhoc", options), paper, "adhoc", options, profile_name, profile)


def _described(
    name: str, paper: str, scale: str, options: Mapping[str, Any], profile_name: str, profile: Profile
) -> Sweep:
    found = Sweep(folder_of_sweeps() / name)
    found.describe({
        "paper": paper, "scale": scale, "options": dict(options),
        "profile_name": profile_name, "profile": profile.model_dump(),
    })  # fmt: skip
    found.cancel(False)
    return found


def see_that_it_fits(profile: Profile, paper: str, scale: str, runs: Sequence[Run]) -> None:
    """Look at what the runs would ask for before anything is submitted.

    Raises:
        UserError: no Slurm, an unknown partition, a request that the site refuses.
    """
    needs = profiles.needs_of(paper, scale)
    for limits in {packing.limits_of(run, profile, needs, {}) for run in runs}:
        check(profile, limits)
    if not runs:
        site.require()


def launcher_for(session: Session, found: Sweep, profile: Profile, **more: Any) -> Launcher:
    """A launcher that knows what runs took before."""
    launcher = Launcher(found, profile, **more)
    launcher.seconds = expected_seconds(session)
    return launcher


def expected_seconds(session: Session) -> dict[str, float]:
    """What each run of a session's plan will likely take, where runs of its experiment and arm were seen before."""
    plan = session.plan()
    known = precedents(session, plan)
    found = {}
    for cell in plan.cells:
        seconds = known.get((cell.experiment, cell.arm)) or known.get((cell.experiment, ""))
        if cell.signature is not None and seconds:
            found[cell.signature] = sum(seconds) / len(seconds)
    return found


def run(session: Session, launcher: Launcher, before: Callable[[Sequence[Run]], None]) -> Swept:
    """The sweep, wave by wave.

    Args:
        session: what to reproduce.
        launcher: with what.
        before: called with the runs of a wave before they are submitted, e.g. to fetch their data.
    """

    def launch(runs: Sequence[Run]) -> Any:
        before(runs)
        return launcher.launch(runs)

    return sweep(session, launch, lambda: launcher.stopping or launcher.cancelled)


def detach(found: Sweep, profile: Profile, launcher: Launcher) -> str | None:
    """Leave a sweep to itself: submit its follow-up behind the jobs that are on their way; its id."""
    jobs = sorted({task.partition("_")[0] for task in launcher.on_the_way.values()})
    if not jobs or not profile.follow or site.named(f"{found.id}.next"):
        return None
    return submit_follower(found, profile, jobs)


def follow(found: Sweep) -> str:
    """What a follow-up job does: another wave and another follow-up, or the verdicts; in words."""
    about = found.about
    profile = Profile.model_validate(about["profile"])
    options = about["options"]
    if found.cancelled:
        return "cancelled"
    session = Session(
        about["paper"], about["scale"], options["experiments"], options["seeds"], overrides=options["overrides"],
        keep_stale=options["keep_stale"], more=[More.read(one) for one in options.get("more", ())],
        outputs=found.store.folder.parent,
    )  # fmt: skip
    launcher = launcher_for(session, found, profile, wait=False, fresh=False)
    swept = run(session, launcher, lambda runs: None)
    if launcher.on_the_way:
        # This job has the follow-up's name itself, so the next one is submitted without looking for it.
        jobs = sorted({task.partition("_")[0] for task in launcher.on_the_way.values()})
        return f"{len(launcher.on_the_way)} runs on their way; next: {submit_follower(found, profile, jobs)}"
    write_report(Session(about["paper"], about["scale"], outputs=found.store.folder.parent))
    done = sum(1 for state in swept.states.values() if state == "done")
    return "; ".join([f"judged; {done} of {len(swept.states)} runs done", *swept.plan.dead_ends])
