r"""EuroSAT-LT: is any arm with synthetic images better than the best arm without?

    python benchmarks/eurosat_lt100.py SHARED lite0.pth WORKDIR docs/results/eurosat-lt100.json \
        [--orders a b c] [--judges scratch frozen]

SHARED has eurosat/ and eurosat-lt100-{a,b,c}.csv; lite0.pth holds ImageNet weights of timm's
tf_efficientnet_lite0. Each order is a run of benchmarks/eurosat_lt100.toml: one generator draws all
classes, and each judge trains and compares the arms by its settings below. Goes on where it was
stopped: what an order or a judge has finished is found again. What the result holds of other orders
and judges stays, with the commit that it was measured by.
"""

import argparse
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from terrabalance.files import read_json, write_json

HERE = Path(__file__).resolve().parents[1]
SETTINGS = Path(__file__).with_suffix(".toml")
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


def command(shared: Path, weights: Path, workdir: Path, order: str, judge: str) -> list[str]:
    """Return the words of a run, all but the stage."""
    settings = {f"classifier.{field}": value for field, value in JUDGES[judge].items()}
    settings["fidelity.weights"] = str(weights)
    if judge == "frozen":
        settings["classifier.weights"] = str(weights)
    words = [str(shared / f"eurosat-lt100-{order}.csv"), "--images", str(shared / "eurosat")]
    words += ["--workdir", str(workdir), "--name", f"eurosat-lt100-{order}-{judge}"]
    words += ["--config", str(SETTINGS)]
    return words + [word for pair in settings.items() for word in ("--set", "=".join(pair))]


def run(words: Sequence[str]) -> float:
    """Give the commands of all stages; return their seconds, few where a result was found again."""
    began = time.monotonic()
    for stage in STAGES:
        ended = subprocess.run([sys.executable, "-m", "flows", stage, *words], cwd=HERE)
        if ended.returncode:
            raise SystemExit(f"`terrabalance {stage}` ended with {ended.returncode}, see above.")
    return time.monotonic() - began


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


def main() -> None:
    """Run what is asked for; write the result after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("shared", "weights", "workdir", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--orders", nargs="+", choices="abc", default=list("abc"))
    parser.add_argument("--judges", nargs="+", choices=list(JUDGES), default=list(JUDGES))
    given = parser.parse_args()
    result: dict[str, Any] = read_json(given.out) if given.out.exists() else {"judges": {}}
    for order, judge in itertools.product(given.orders, given.judges):
        words = command(given.shared, given.weights, given.workdir, order, judge)
        seconds = run(words)
        report = given.workdir / "reports" / f"eurosat-lt100-{order}-{judge}"
        found = [read_json(report / name) for name in ("comparison.json", "fidelity.json")]
        of_judge = result["judges"].setdefault(judge, {"orders": {}})
        of_judge["orders"][order] = {
            **measured(*found), "commit": commit(), "seconds": round(seconds),
        }  # fmt: skip
        of_judge["mean_difference"] = of_all(list(of_judge["orders"].values()))
        write_json(given.out, result)


if __name__ == "__main__":
    main()
