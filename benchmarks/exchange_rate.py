r"""How many real images are synthetic ones worth, and does the report's estimate say so?

    python benchmarks/exchange_rate.py DATASET lite0.pth WORKDIR docs/benchmarks \
        --name "EuroSAT-LT, order a" [--judges scratch frozen]

DATASET is a balanced dataset with a part `oracle`, as eurosat_lt100.py leaves below its
`data/datasets/`. The classes that have synthetic images get two, four and eight times their real
ones, out of `oracle`; a judge trains on each, three seeds, with logit adjustment. What the
synthetic images reach lies somewhere on that curve: so many real images they are worth. Beside it
stands what the report says by halving alone, without an oracle. exchange_rate.md and .png are
written anew of all that WORKDIR holds; goes on where it was stopped.
"""

import argparse
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from charts import OURS, UPSTREAM, chart, save
from long_tailed import HERE, JUDGES

from terrabalance.contents import contents
from terrabalance.files import atomic_write, read_json, slug, write_json, write_text
from terrabalance.manifest import Manifest, read_manifest
from terrabalance.markdown import markdown_table

TIMES = (1, 2, 4, 8)  # as many real images of the filled classes
QUARTER = 0.25  # of the synthetic images, beside all of them
HALVED, WHOLE, FILLED = "halved+logit-adjustment", "logit-adjustment", "synthetic+logit-adjustment"
PAGE = """# What synthetic images are worth in real ones

By `benchmarks/exchange_rate.py`: the classes that have synthetic images get more real ones, out of
the part `oracle`, and a judge trains on each number, three seeds, with logit adjustment (scratch: a
resnet10t without pretrained weights; frozen: a head on tf_efficientnet_lite0's ImageNet features).
Balanced accuracy on test, in %.

{table}
What the synthetic images reach lies on the curve of the real ones: there it is read off how many
more real images do as much (in proportion between two numbers, on a logarithmic scale). Beside it
stands what [the report](../reference/report.md#what-more-real-images-would-be-worth) says by
halving alone, with its interval, which does not know the oracle's images.

{rates}
![Balanced accuracy by the number of real images](exchange_rate.png)
"""


def rows_with(manifest: Manifest, times: int, share: float) -> pd.DataFrame:
    """Return path, class, split and source of a dataset with more real images and fewer synthetic.

    Args:
        manifest: of the balanced dataset.
        times: as many real training images of the filled classes, as far as `oracle` has them.
        share: of each class's synthetic images.
    """
    frame = manifest.frame[manifest.frame["status"] == "ok"]
    frame = frame.assign(content=contents(frame)).sort_values("content")
    train = frame[frame["split"] == "train"]
    real, made = (train[train["source"] == source] for source in ("real", "synthetic"))
    parts = [frame[frame["split"].isin(["val", "test"])], real]
    for name, own in made.groupby("class"):
        parts.append(own.head(math.ceil(share * len(own))))
        more = frame[(frame["split"] == "oracle") & (frame["class"] == name)]
        parts.append(more.head((times - 1) * int((real["class"] == name).sum())))
    rows = pd.concat(parts)[["path", "class", "split", "source"]]
    return rows.assign(split=rows["split"].replace("oracle", "train")).sort_values("path")


def compared(
    given: argparse.Namespace, judge: str, times: int, share: float, arms: Sequence[str]
) -> dict[str, Any]:
    """Compare the arms on one number of images; return the comparison record."""
    name = slug(f"{given.name}-{judge}-{times}-{share:g}")
    table = given.workdir / f"{name}.csv"
    with atomic_write(table) as file:
        rows_with(read_manifest(given.dataset), times, share).to_csv(file, index=False)
    settings = {f"classifier.{field}": value for field, value in JUDGES[judge].items()}
    if judge == "frozen":
        settings["classifier.weights"] = str(given.weights)
    words = [sys.executable, "-m", "flows", "compare", str(table), "--images", str(given.dataset)]
    words += ["--workdir", str(given.workdir), "--name", name, "--arms", ",".join(arms)]
    words += ["--tries", "1", "--seeds", "0,1,2"]
    words += [word for pair in settings.items() for word in ("--set", "=".join(pair))]
    if (ended := subprocess.run(words, cwd=HERE)).returncode:
        raise SystemExit(f"`terrabalance compare` ended with {ended.returncode}, see above.")
    record: dict[str, Any] = read_json(given.workdir / "reports" / name / "comparison.json")
    return record


def measured(given: argparse.Namespace, judge: str) -> dict[str, Any]:
    """Return the curve of one judge: real images of the filled classes, and what they reach."""
    whole = compared(given, judge, 1, 1.0, ["real", WHOLE, HALVED, FILLED])
    few = compared(given, judge, 1, QUARTER, ["real", WHOLE, FILLED])
    classes = whole["exchange"]["classes"]
    curve = [_point(whole, HALVED, classes), _point(whole, WHOLE, classes)]
    for times in TIMES[1:]:
        more = compared(given, judge, times, 1.0, ["real", WHOLE])
        curve.append(_point(more, WHOLE, classes))
    made = [_point(few, FILLED, classes), _point(whole, FILLED, classes)]
    return {"name": given.name, "judge": judge, "curve": curve, "made": made,
            "exchange": whole["exchange"]}  # fmt: skip


def _point(record: Mapping[str, Any], arm: str, classes: Sequence[str]) -> dict[str, float]:
    n = {row["class"]: row["n_train"] for row in record["per_class"]}
    score = record["metrics"][arm]["balanced_accuracy"]
    return {
        "n": sum(n[name][arm] for name in classes),
        "mean": 100 * score["mean"], "std": 100 * score["std"],
    }  # fmt: skip


def worth(curve: Sequence[Mapping[str, float]], reached: float) -> str:
    """Return how many more real images than the second point's reach as much, in words.

    Args:
        curve: by number of images; the second point is what there is.
        reached: balanced accuracy, in %.
    """
    n, levels = (np.array([point[key] for point in curve]) for key in ("n", "mean"))
    rising = np.maximum.accumulate(levels)  # noise may make a step down
    if reached <= rising[1]:
        return "none"
    if reached >= rising[-1]:
        return f"{n[-1] - n[1]:,.0f} or more"
    found = 2 ** float(np.interp(reached, rising, np.log2(n)))
    return f"{found - n[1]:,.0f}"


def table_of(results: Sequence[Mapping[str, Any]]) -> str:
    """Return what every number of real images reaches, and what the synthetic ones do."""
    times = ["half", "all there are", *(f"{each} times" for each in TIMES[1:])]
    return markdown_table(
        ["Data, judge", *times, "a quarter of the synthetic", "all of the synthetic"],
        [
            [f"{each['name']}, {each['judge']}", *map(_cell, (*each["curve"], *each["made"]))]
            for each in results
        ],
    )


def _cell(point: Mapping[str, float]) -> str:
    return f"{point['mean']:.1f} ± {point['std']:.1f} ({point['n']:,.0f})"


def rates_of(results: Sequence[Mapping[str, Any]]) -> str:
    """Return what the synthetic images are worth, by the curve and by the report."""
    rows = []
    for each in results:
        found = each["exchange"]
        said = "cannot be told"
        if more := found["more"]:
            mean, low, high = (max(0, round(more[k] * found["n_real"])) for k in more)
            said = f"{mean:,} ({low:,} to {high:,})"
        synthetic = f"{found['n_synthetic']:,}"
        rows.append([f"{each['name']}, {each['judge']}", f"{found['n_real']:,}", synthetic,
                     *(worth(each["curve"], made["mean"]) for made in each["made"]),
                     said])  # fmt: skip
    titles = ["Data, judge", "real", "synthetic", "worth of a quarter, by the curve",
              "worth of all, by the curve", "by the report"]  # fmt: skip
    return markdown_table(titles, rows)


def drawn(results: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the curves, a panel each."""
    figure, panels = chart(len(results), 4.6 * len(results))
    for axes, each in zip(panels, results, strict=True):
        points = {key: [point[key] for point in each["curve"]] for key in ("n", "mean", "std")}
        axes.errorbar(
            points["n"], points["mean"], yerr=points["std"], fmt="o-", color=UPSTREAM, label="real"
        )
        for style, point, name in zip((":", "-"), each["made"], ("a quarter", "all"), strict=True):
            label = f"with {name} of the synthetic"
            axes.axhline(point["mean"], color=OURS, linestyle=style, label=label)
        axes.set_xscale("log", base=2)
        axes.set_xticks(points["n"], [f"{n:,.0f}" for n in points["n"]])
        axes.minorticks_off()
        axes.set(title=f"{each['name']}, {each['judge']}", ylabel="balanced accuracy, %",
                 xlabel="real images of the filled classes")  # fmt: skip
        axes.legend(fontsize=8)
    save(figure, path)


def main() -> None:
    """Measure what is asked for, and write the page of all there is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("dataset", "weights", "workdir", "out"):
        parser.add_argument(name, type=lambda text: Path(text).resolve())
    parser.add_argument("--name", required=True, help="of the data, on the page")
    parser.add_argument("--judges", nargs="+", choices=list(JUDGES), default=list(JUDGES))
    given = parser.parse_args()
    (given.workdir / "results").mkdir(parents=True, exist_ok=True)
    for judge in given.judges:
        path = given.workdir / "results" / f"{slug(given.name)}-{judge}.json"
        write_json(path, measured(given, judge))
    results = [read_json(path) for path in sorted((given.workdir / "results").glob("*.json"))]
    page = PAGE.format(table=table_of(results), rates=rates_of(results))
    write_text(given.out / "exchange_rate.md", page)
    drawn(results, given.out / "exchange_rate.png")


if __name__ == "__main__":
    main()
