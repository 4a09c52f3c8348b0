"""What the scripts of docs/results/ share: the runs of a long-tailed protocol, what they found."""

import argparse
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from terrabalance.files import read_json, write_json

HERE = Path(__file__).resolve().parents[1]
STAGES = ("train", "sample", "assemble", "classify", "report")
JUDGES = {
    "scratch": {
        "model": "resnet10t", "pretrained": "false", "image_size": "64", "steps": "500",
        "batch_size": "64", "learning_rate": "2e-3",
    },
    "frozen": {
        "model": "tf_efficientnet_lite0", "frozen": "true", "image_size": "160", "steps": "1500",
        "batch_size": "64", "learning_rate": "1e-3",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Protocol:
    """A data set with its parts, and how its images are drawn.

    Attributes:
        name: of its runs, and of their reports less the judge.
        table: CSV with path, class and split.
        images: folder of the images.
        config: file of settings.
        settings: further ones, such as paths.
    """

    name: str
    table: Path
    images: Path
    config: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    def words(self, weights: Path, workdir: Path, judge: str) -> list[str]:
        """Return the words of a run, all but the stage.

        Args:
            weights: of timm's tf_efficientnet_lite0, for fidelity and the frozen judge.
            workdir: of the run.
            judge: a key of `JUDGES`.
        """
        settings = {f"classifier.{name}": value for name, value in JUDGES[judge].items()}
        settings |= {**self.settings, "fidelity.weights": str(weights)}
        if judge == "frozen":
            settings["classifier.weights"] = str(weights)
        words = [str(self.table), "--images", str(self.images), "--workdir", str(workdir)]
        words += ["--name", f"{self.name}-{judge}", "--config", str(self.config)]
        return words + [word for pair in settings.items() for word in ("--set", "=".join(pair))]

    def found(self, weights: Path, workdir: Path, judge: str) -> dict[str, Any]:
        """Run all stages, go on where they were stopped, and return what was measured."""
        began = time.monotonic()
        for stage in STAGES:
            words = [sys.executable, "-m", "flows", stage, *self.words(weights, workdir, judge)]
            if (ended := subprocess.run(words, cwd=HERE)).returncode:
                raise SystemExit(
                    f"`terrabalance {stage}` ended with {ended.returncode}, see above."
                )
        seconds = round(time.monotonic() - began)  # few where a result was found again
        report = workdir / "reports" / f"{self.name}-{judge}"
        records = [read_json(report / name) for name in ("comparison.json", "fidelity.json")]
        return {**measured(*records), "commit": commit(), "seconds": seconds}


def measured(record: Mapping[str, Any], fidelity: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a comparison found, in percent and points, and what gives the images away.

    Args:
        record: `comparison.json`.
        fidelity: `fidelity.json` of the same run.
    """
    arms = {
        arm: {
            **_percent(record["levels"][arm]),
            **_groups(record, arm),
            "val": round(100 * record["val"][arm], 2),
        }
        for arm in record["arms"]
    }
    best, rival = record["headline"]["arm"], record["headline"]["rival"]
    pair = {"arm": best, "baseline": rival}
    (found,) = [row for row in record["differences"] if pair.items() <= row.items()]
    uses = record["verdict"]["outcome"] != "none chosen"
    return {
        "arms": arms,
        # Chosen on val; None: for every arm val chose none of the synthetic images.
        "best_with_synthetic": best if uses else None,
        "best_without": rival if uses else best,
        "difference": _percent(found["balanced_accuracy"]) if uses else None,
        "recommended": record["recommended"]["arm"],
        "chosen": {row["arm"]: row["says"] for row in record["tried"] if row["chosen"]},
        # Area under the curve; the classes with too few images for it are left out.
        "give_away": {
            row["class"]: round(row["give_away"]["value"], 3)
            for row in fidelity["classes"]
            if row["give_away"]
        },
        "n_synthetic": {row["class"]: row["n_synthetic"] for row in fidelity["classes"]},
        "seeds": record["seeds"],
        "n_test": record["n_test"],
        # How many more real images would do as much; None without the arm `halved`.
        "exchange": record.get("exchange"),
    }


def _percent(found: Mapping[str, float]) -> dict[str, float]:
    return {key: round(100 * found[key], 2) for key in ("mean", "low", "high")}


def _groups(record: Mapping[str, Any], arm: str) -> dict[str, float]:
    of = record["metrics"][arm]
    return {name: round(100 * of[name]["mean"], 2) for name in ("many", "medium", "few")}


def of_all(orders: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the mean difference of several orders; an order where none was chosen counts as 0.

    The orders' errors are taken as independent, as each has its own training images: the half of
    the interval is the root of the sum of their squares over their number.
    """
    found = [order["difference"] or {"mean": 0.0, "low": 0.0, "high": 0.0} for order in orders]
    mean = statistics.fmean(each["mean"] for each in found)
    half = sum(((each["high"] - each["low"]) / 2) ** 2 for each in found) ** 0.5 / len(found)
    return {"mean": round(mean, 2), "low": round(mean - half, 2), "high": round(mean + half, 2)}


def commit() -> str:
    """Return the commit of this checkout; `-dirty` where it holds other code than that."""
    words = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    return subprocess.run(
        words, cwd=HERE, check=True, capture_output=True, text=True
    ).stdout.strip()


def arguments(about: str, judges: Sequence[str]) -> argparse.ArgumentParser:
    """Return what every such script is given: shared, weights, workdir, out, judges."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    for name in ("shared", "weights", "workdir", "out"):
        parser.add_argument(name, type=lambda text: Path(text).resolve())
    parser.add_argument("--judges", nargs="+", choices=judges, default=list(judges))
    return parser


def measure(protocols: Mapping[str, Protocol], given: argparse.Namespace) -> None:
    """Run each protocol with each judge, and write the result after each.

    Args:
        protocols: by the name of their order in the result.
        given: of `arguments`.
    """
    result: dict[str, Any] = read_json(given.out) if given.out.exists() else {"judges": {}}
    for (order, protocol), judge in itertools.product(protocols.items(), given.judges):
        found = protocol.found(given.weights, given.workdir, judge)
        of_judge = result["judges"].setdefault(judge, {"orders": {}})
        of_judge["orders"][order] = found
        of_judge["mean_difference"] = of_all(list(of_judge["orders"].values()))
        write_json(given.out, result)
