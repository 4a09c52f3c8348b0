"""A class's synthetic images as a result: where they are, and whether they are made; no torch."""

from pathlib import Path

from augment.plan import ClassPlan
from augment.screen.statuses import is_screened
from flows.stages.run import Run
from flows.store.result import Folder, find
from terrabalance.errors import NotReady
from terrabalance.wording import listed


def images_of(run: Run, plan: ClassPlan) -> Folder:
    """Return a class's synthetic images as a result: to the end, or as far as a person wants."""
    folder = run.names.synthetic(plan)
    return Folder(
        what=f"the synthetic images of {plan.class_name}",
        place=folder,
        part=f"synthetic {plan.class_name}",
        n_devices=1,
        is_made=lambda: is_screened(folder),
        changes=True,
    )


def synthetic_folders(run: Run) -> dict[str, Path]:
    """Return the finished synthetic folders by class.

    Raises:
        NotReady: a class lacks its images; the message names all such classes.
    """
    images = {plan.class_name: images_of(run, plan) for plan in run.filled}
    if missing := [name for name, own in images.items() if not find(run.config, own)]:
        raise NotReady(
            f"no finished synthetic images for {listed(missing)}. Run `terrabalance train` and "
            "`terrabalance sample` with the same options first, before assemble, classify and "
            "report."
        )
    return {name: own.place for name, own in images.items()}
