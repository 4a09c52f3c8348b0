"""A base that is named and has learned images which are held out now."""

import shutil
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from augment.network.card import CARD, WEIGHTS
from augment.network.learned import LEARNED
from flows.settings.config import RunConfig
from flows.stages.catalogue import make_catalogue
from flows.stages.generators import train_class
from flows.stages.plan import make_plan
from flows.stages.run import Run
from terrabalance.errors import BadInput
from terrabalance.finished import done, mark_done
from terrabalance.manifest import read_manifest

from .bases import add_images, changed, train_all

HELD = ("val", "test")
DOCS = Path(__file__).parents[3] / "docs" / "deployments.md"


def test_a_base_that_learned_what_is_held_out_now_is_refused_by_the_plan(pinned):
    learned = in_parts(changed(pinned, base_from=None), "train")
    moved = changed(pinned, seed=pinned.seed + 1)
    n_val, n_test = (len(learned & in_parts(changed(moved, base_from=None), part)) for part in HELD)
    assert n_val and n_test
    said = rf"{pinned.base_from} has learned {n_val} images that are now in val and {n_test} that"
    with pytest.raises(BadInput, match=rf"{said} .*column split.*leave base_from out"):
        make_plan(Run(moved))
    assert not Run(moved).report_folder.exists()


@pytest.mark.parametrize(
    "setting", [{"split": {"val": 0.3, "test": 0.3}}, {"scan": {"group_by": "_0*[0-3][.]"}}]
)
def test_a_base_of_another_split_is_refused_before_a_class_is_trained(pinned, setting, trained):
    with pytest.raises(BadInput, match="has learned"):
        train_class(Run(changed(pinned, **setting)), "River")
    assert trained == []


def test_a_base_of_before_a_class_was_renamed_is_refused(pinned):
    (pinned.data / "River").rename(pinned.data / "Stream")
    with pytest.raises(BadInput, match=r"such as Stream/"):
        make_plan(Run(pinned))


def test_a_base_is_refused_where_a_copy_of_what_it_learned_is_tested(pinned):
    table = listed(pinned)
    learned = table.index[table["split"] == "train"][0]
    with Image.open(pinned.data / table["path"][learned]) as image:
        image.resize((24, 24)).save(pinned.data / "small.png")
    table.loc[len(table)] = ["small.png", table["class"][learned], "test"]
    with pytest.raises(BadInput, match=r"has learned 0 .* val and 1 .* such as small\.png"):
        make_plan(Run(by_table(pinned, table)))


def test_the_manifest_of_its_run_keeps_the_split_of_a_base_and_what_was_trained(pinned, trained):
    before = train_all(pinned)
    table = Run(pinned).catalogue_folder / "manifest.csv"
    kept = changed(pinned, data=table, images=pinned.data, seed=pinned.seed + 1)
    make_plan(Run(kept))
    assert in_parts(kept, "test") == in_parts(pinned, "test")
    assert train_all(changed(kept, seed=pinned.seed)) == before and trained == []


def test_data_that_grows_keeps_its_base_by_the_lines_of_the_docs(pinned, trained, tmp_path):
    before = train_all(pinned)
    shutil.copy(make_catalogue(pinned) / "manifest.csv", tmp_path / "first.csv")
    add_images(pinned, "River", "River", 1)
    lines = DOCS.read_text().split("```python\n# grow.py:")[1].split("```")[0]
    lines = lines.replace("/srv/runs", str(tmp_path)).replace("/data/aid", str(pinned.data))
    exec("#" + lines, {})
    kept = changed(pinned, data=tmp_path / "split.csv", images=pinned.data)
    after = train_all(kept)
    assert trained == ["River"] and after["Beach"] == before["Beach"]
    for part in HELD:
        assert in_parts(kept, part) == in_parts(pinned, part)


def test_an_older_base_is_used_with_a_warning(pinned, caplog):
    base = Run(pinned).names.base
    make_plan(Run(pinned))
    assert "learned" not in caplog.text
    forget_learned(base)
    make_plan(Run(changed(pinned, seed=pinned.seed + 1)))
    assert f"{base.name} does not say which images it has learned" in caplog.text


def test_a_list_of_what_was_learned_that_is_gone_or_shortened_is_refused(pinned):
    listed = Run(pinned).names.base / LEARNED
    listed.write_text(listed.read_text()[:65])
    with pytest.raises(BadInput, match=rf"{LEARNED}: gone, damaged"):
        make_plan(Run(pinned))


def test_a_class_generator_has_learned_what_its_base_had(pinned):
    (beach,) = (folder for name, folder in train_all(pinned).items() if name == "Beach")
    everything = in_parts(pinned, "train")
    assert set((beach / LEARNED).read_text().split()) == everything
    with pytest.raises(BadInput, match=rf"{beach.name} has learned"):
        make_plan(Run(changed(pinned, base_from=beach.name, seed=pinned.seed + 1)))


def test_what_starts_from_an_older_base_does_not_claim_to_know(pinned):
    forget_learned(Run(pinned).names.base)
    add_images(pinned, "River", "River", 1)
    assert not (train_all(pinned)["River"] / LEARNED).exists()


def forget_learned(base: Path) -> None:
    """Make a base as older versions finished it."""
    (base / LEARNED).unlink()
    mark_done(base, done(base) or {}, [base / WEIGHTS, base / CARD])


def in_parts(config: RunConfig, *parts: str) -> set[str]:
    """Return the content of the images in these parts, hashed here."""
    manifest = read_manifest(make_catalogue(config))
    rows = [manifest.usable(part) for part in parts]
    paths = [path for part in rows for path in manifest.paths(part)]
    return {sha256(path.read_bytes()).hexdigest() for path in paths}


def listed(config: RunConfig) -> pd.DataFrame:
    """Return the usable images as a CSV for users lists them."""
    table = pd.read_csv(make_catalogue(config) / "manifest.csv")
    return table.loc[table["status"] == "ok", ["path", "class", "split"]].reset_index(drop=True)


def by_table(config: RunConfig, table: pd.DataFrame) -> RunConfig:
    path = config.workdir / "split.csv"
    table.to_csv(path, index=False)
    return changed(config, data=path, images=config.data)
