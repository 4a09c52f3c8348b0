"""The fidelity part of the report: how near synthetic images come to real ones."""

from collections.abc import Mapping
from typing import Any

from augment.measure.fidelity import FEWEST_MEASURED
from augment.measure.giveaway import FEWEST, HIGHEST_GIVE_AWAY
from terrabalance.page import Section, render


def fidelity_section(record: Mapping[str, Any]) -> Section:
    """Draw the record of all classes, see `flows.stages.fidelity.measure_fidelity`."""
    html = render(
        "augment.report", "fidelity.html.j2", record=record, fewest=FEWEST,
        highest_give_away=HIGHEST_GIVE_AWAY, lacking=_lacking,
    )  # fmt: skip
    return Section("How near to real images?", html, "fidelity")


def _lacking(row: Mapping[str, Any]) -> str:
    """Return why a class has no measures."""
    if not row["n_synthetic"]:
        return "no synthetic image was accepted"
    return f"too few real validation images or synthetic ones: {FEWEST_MEASURED} of each are needed"
