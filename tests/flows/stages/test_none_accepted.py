"""Runs in which people refuse the synthetic images of a class, or of all."""

import re

import pytest

from augment.screen.statuses import review
from flows.settings.config import RunConfig
from flows.stages.compare import compare_arms
from flows.stages.dataset import assemble_dataset
from flows.stages.generators import train_base, train_class
from flows.stages.report_page import write_report
from flows.stages.run import Run
from flows.stages.synthetic import synthesize_class
from terrabalance.errors import BadInput
from terrabalance.files import read_json
from terrabalance.manifest import read_manifest


@pytest.fixture
def config(scenes, tiny, tmp_path) -> RunConfig:
    """A run with the images of two classes drawn, none of which is drawn anew."""
    settings = {**tiny, "plan": {"target": "max", "rarest": 2}, "screening": {"most_draws": 1}}
    config = RunConfig(data=scenes, workdir=tmp_path, name="run", **settings)
    train_base(Run(config))
    for name in ("Beach", "River"):
        train_class(Run(config), name)
        synthesize_class(Run(config), name)
    return config


def refuse_all(config: RunConfig, class_name: str) -> int:
    """Refuse each image of a class by eye; return how many there are."""
    run = Run(config)
    folder = run.names.synthetic(run.plan_of(class_name))
    drawn = list(read_manifest(folder).frame["path"])
    for path in drawn:
        review(folder, path, "refuse", "Ada")
    return len(drawn)


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_a_class_whose_images_are_all_refused_is_not_among_the_filled(config):
    refuse_all(config, "Beach")
    assemble_dataset(Run(config))
    record = read_json(compare_arms(Run(config)))
    n_train = {row["class"]: row["n_train"] for row in record["per_class"]}
    assert n_train["Beach"]["synthetic"] == n_train["Beach"]["real"]
    page = write_report(Run(config))
    text = text_of(page.read_text())
    filled, _, left = text.partition("Classes that stayed as they were")
    filled = filled.partition("Filled classes")[2]
    assert re.search(r"River \d real \+ [1-9] synthetic", filled) and "Beach" not in filled
    assert re.search(r"Beach \d real \+ 0 synthetic", left)
    assert "no synthetic image was accepted" in text.partition("How near to real images?")[2]
    assert read_json(page.with_name("balance.json"))["why_not_compared"] is None


def test_where_every_image_is_refused_nothing_is_compared_and_it_is_said_why(config, caplog):
    assemble_dataset(Run(config))
    comparison = compare_arms(Run(config))
    measures = write_report(Run(config)).with_name("fidelity.json")
    beside = (measures, comparison.with_name("predictions.csv"))
    former = {comparison.read_bytes(), *(path.read_bytes() for path in beside)}
    trained = set((config.workdir / "data" / "classifiers").iterdir())
    n_refused = sum(refuse_all(config, name) for name in ("Beach", "River"))
    card = (assemble_dataset(Run(config)) / "README.md").read_text()
    assert "- synthetic\n" not in card and "synthetic ones" not in card
    with pytest.raises(BadInput) as refusal:
        compare_arms(Run(config))
    said = str(refusal.value)
    assert said.startswith("No synthetic image was accepted: ")
    assert f"human review ({n_refused})" in said and "training.steps" in said
    page = write_report(Run(config))  # beside the comparison of the former images
    assert (
        " ".join(said.replace("`", " ").split()) in text_of(page.read_text())
        and "Did it help?" not in page.read_text()
    )
    assert "How near to real images?" not in page.read_text()
    assert read_json(page.with_name("balance.json"))["why_not_compared"] == said
    assert set((config.workdir / "data" / "classifiers").iterdir()) == trained
    # What reads the verdict finds none, and nothing is lost that took hours.
    assert not any(path.exists() for path in (comparison, *beside))
    left = {path.read_bytes() for path in comparison.parent.iterdir() if path.is_file()}
    assert former <= left and "comparison.json: is of synthetic images that the" in caplog.text
    caplog.clear()
    write_report(Run(config))
    assert "set aside" not in caplog.text
