from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.exceptions import ParameterTypeError
from typer.testing import CliRunner

from augment.scenes import draw_dataset
from augment.screen.statuses import review
from classifier.arms.registry import DEFAULT_ARMS
from flows.cli.app import app
from flows.orchestrate.balance import (
    JobsFailed,
    balance_dataset,
    compare_classifiers,
    train_and_synthesize,
)
from flows.settings.config import RunConfig, build_config
from flows.stages.classifiers import experiment_of
from flows.stages.compare import compare_arms
from flows.stages.dataset import Parts, assemble_dataset
from flows.stages.plan import check_classifier, make_plan
from flows.stages.report_page import write_report
from flows.stages.run import Run
from flows.stages.synthetic import synthesize_class
from flows.store import paths
from flows.store.uses import begin
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import read_json, sha256_of
from terrabalance.manifest import read_manifest

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture(scope="module")
def config(scenes, tiny, tmp_path_factory) -> RunConfig:
    return RunConfig(data=scenes, workdir=tmp_path_factory.mktemp("work"), name="tiny", **tiny)


@pytest.fixture(scope="module")
def page(server, config) -> Path:
    return balance_dataset(config)


def task_runs() -> list:
    with get_client(sync_client=True) as client:
        return client.read_task_runs(limit=200)


def test_the_whole_flow_ends_with_a_report(page, config):
    html = page.read_text()
    assert "River" in html and "not real" in html
    comparison = read_json(page.with_name("comparison.json"))
    assert "drawn test images" in html and "real test images" not in html
    assert comparison["arms"] == list(DEFAULT_ARMS) and comparison["seeds"] == [0, 1]
    assert "too few real validation images" in html  # Beach has one
    for name in (
        "balance.json",
        "fidelity.json",
        "classes.csv",
        "predictions.csv",
        "plan.json",
        "config.json",
    ):
        assert page.with_name(name).stat().st_size > 0


def test_val_and_test_of_the_balanced_dataset_hold_real_images_only(page, config):
    frame = read_manifest(config.workdir / "data" / "datasets" / "tiny").frame
    held_out = frame[frame["split"].isin(["val", "test"])]
    assert len(held_out) and set(held_out["source"]) == {"real"}
    synthetic = frame[frame["source"] == "synthetic"]
    assert len(synthetic) and set(synthetic["class"]) == {"Beach"}


def test_the_filled_class_reaches_the_target(page, config):
    counts = read_manifest(config.workdir / "data" / "datasets" / "tiny").usable("train")
    assert counts.groupby("class").size()["Beach"] == counts.groupby("class").size().max()


def test_task_runs_have_names_that_people_can_read(page):
    names = {run.name for run in task_runs()}
    assert {
        "train the base",
        "fill Beach",
        "classifiers of seed 0",
        "plan max",
    } <= names


def test_the_same_command_again_changes_no_file(page, config):
    made = [path for path in (config.workdir / "data").rglob("*") if path.is_file()]
    before = {path: path.stat().st_mtime_ns for path in made}
    comparison = sha256_of(page.with_name("comparison.json"))
    balance_dataset(config)
    assert {path: path.stat().st_mtime_ns for path in made} == before
    assert sha256_of(page.with_name("comparison.json")) == comparison


def test_other_images_under_the_same_name_get_no_old_verdict(page, config, monkeypatch, caplog):
    assert "Did it help?" in page.read_text()
    monkeypatch.setattr("flows.stages.dataset.dataset_key", lambda *_: "of other images")
    write_report(Run(config))
    assert "Did it help?" not in page.read_text()
    assert "`terrabalance assemble`, `terrabalance classify` and" in caplog.text  # in this order
    with pytest.raises(NotReady, match="terrabalance assemble"):
        experiment_of(Run(config), Parts(Run(config)).key)
    monkeypatch.undo()
    assert "Did it help?" in write_report(Run(config)).read_text()


def test_no_stage_but_plan_and_classify_needs_the_classifier(page, config, monkeypatch):
    def no_hub(*_, **__):
        raise BadInput("no hub")

    for asks in ("one_batch", "setup"):
        monkeypatch.setattr(f"classifier.train.{asks}.build_model", no_hub)
    assert assemble_dataset(Run(config)).is_dir() and write_report(Run(config)).is_file()
    with pytest.raises(BadInput, match="no hub"):
        check_classifier(config)


def test_a_plan_asks_no_hub_and_yet_names_a_wrong_file(scenes, tiny, tmp_path):
    wanted = {**tiny["classifier"], "pretrained": True}
    config = RunConfig(data=scenes, workdir=tmp_path, **{**tiny, "classifier": wanted})
    check_classifier(config, from_hub=False)
    wrong = {**wanted, "weights": tmp_path / "gone.pth"}
    config = RunConfig(data=scenes, workdir=tmp_path, **{**tiny, "classifier": wrong})
    with pytest.raises(BadInput, match="is not a file"):
        check_classifier(config, from_hub=False)
    with pytest.raises(BadInput, match="is not a file"):
        balance_dataset(config)
    assert not list(tmp_path.iterdir())


def test_where_all_classes_are_as_large_nothing_is_trained_drawn_or_compared(tiny, tmp_path):
    data = draw_dataset(tmp_path / "scenes", {"Forest": 8, "River": 8}, side_px=32)
    config = RunConfig(data=data, workdir=tmp_path, **tiny)
    page = balance_dataset(config)
    assert {folder.name for folder in (tmp_path / "data").iterdir()} == {
        "catalogues", "datasets", "uses"
    }  # fmt: skip
    assert not list(page.parent.glob("comparison.json")) and "Did it help?" not in page.read_text()
    assert "This plan fills no class" in page.read_text()
    with pytest.raises(BadInput, match=r"This plan fills no class.*nothing to compare"):
        compare_classifiers(config)


def test_where_no_image_was_accepted_a_run_says_so_and_compares_nothing(
    scenes, tiny_toml, tmp_path
):
    words = [str(scenes), "--config", str(tiny_toml), "--set", "screening.most_draws=1",
             "--workdir", str(tmp_path / "w"), "--name", "none"]  # fmt: skip
    config = build_config(
        scenes, tiny_toml, words[4:5], {"workdir": tmp_path / "w", "name": "none"}
    )
    train_and_synthesize(config)
    (plan,) = Run(config).filled
    folder = Run(config).names.synthetic(plan)
    for path in read_manifest(folder).frame["path"]:
        review(folder, path, "refuse", "Ada")
    said = CliRunner().invoke(app, ["run", *words])
    assert said.exit_code == 0, said.output
    assert "No synthetic image was accepted: " in said.output
    assert "balanced accuracy" not in said.output
    assert not list((tmp_path / "w" / "reports").rglob("comparison.json"))


def test_a_name_that_belongs_to_other_settings_is_refused(page, config):
    other = config.model_copy(update={"seed": 5})
    with pytest.raises(BadInput, match="or another --name"):
        begin(other)


def test_a_stage_out_of_order_says_what_to_run_first(scenes, tiny, tmp_path):
    fresh = RunConfig(data=scenes, workdir=tmp_path, **tiny)
    with pytest.raises(NotReady, match="terrabalance train"):
        synthesize_class(Run(fresh), "Beach")
    for stage in (assemble_dataset, compare_arms, write_report):
        with pytest.raises(NotReady, match="terrabalance sample"):
            stage(Run(fresh))
    assert not (tmp_path / "reports").exists()  # so the name is free for other settings


def test_an_unknown_class_is_refused_before_the_run_has_a_folder(config):
    plan = config.plan.model_copy(update={"classes": ("Ponds",)})
    wrong = config.model_copy(update={"plan": plan, "name": "wrong"})
    with pytest.raises(BadInput, match="Ponds"):
        make_plan(Run(wrong))
    assert not (config.workdir / "reports" / "wrong").exists()


def test_a_class_that_the_plan_does_not_fill_is_named(scenes, tiny, tmp_path):
    fresh = RunConfig(data=scenes, workdir=tmp_path, **tiny)
    with pytest.raises(BadInput, match="'Forest' is not filled"):
        synthesize_class(Run(fresh), "Forest")


def test_one_failing_class_does_not_stop_the_others(scenes, tiny, tmp_path):
    plan = {"target": "max", "rarest": 2}
    fresh = RunConfig(data=scenes, workdir=tmp_path, **{**tiny, "plan": plan})
    jobs = Run(fresh).filled
    assert [job.class_name for job in jobs] == ["Beach", "River"]
    blocked = Run(fresh).names.generator("Beach")
    blocked.parent.mkdir(parents=True)
    (blocked / "checkpoints").mkdir(parents=True)
    (blocked / "checkpoints" / "step_0000003.pt").write_bytes(b"damaged")
    with pytest.raises(JobsFailed, match=r"1 failed.*Beach"):
        train_and_synthesize(fresh)
    river = Run(fresh).names.synthetic(jobs[1])
    assert (river / "done.json").exists()
    account = {row["class"]: row for row in read_json(paths.report_folder(fresh) / "account.json")}
    assert "step_0000003.pt" in account["Beach"]["failed"]
    assert account["Beach"]["accepted"] is None
    assert account["River"]["failed"] == "" and account["River"]["accepted"] > 0
    (blocked / "checkpoints" / "step_0000003.pt").unlink()
    assert train_and_synthesize(fresh).is_dir()  # the rerun repairs only what failed


def test_a_wrong_parameter_is_refused_before_any_work(tmp_path):
    with pytest.raises(ParameterTypeError, match=r"generator\.setps: Extra inputs"):
        balance_dataset({"data": str(tmp_path), "generator": {"setps": 4}})
