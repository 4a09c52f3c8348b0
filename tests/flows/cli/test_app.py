import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from processes import Ended
from typer.testing import CliRunner
from waiting import PATIENCE_S, alive_of, eventually

from classifier.arms.registry import ARMS
from flows.cli.app import app

COMMANDS = ["run", "scan", "plan", "train", "sample", "assemble", "classify", "report"]


def terrabalance(*words: str, cwd=None) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "flows", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        timeout=PATIENCE_S,
        check=False,
    )


def test_help_of_the_whole_lists_every_command():
    text = terrabalance("--help").stdout
    assert all(name in text for name in [*COMMANDS, "demo", "settings", "inpaint", "verify"])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["run", "--help"], 0),
        (["settings"], 0),
        (["run", "nowhere"], 1),
        (["train", ".", "--set", "training.setps=3"], 1),
        (["compare", ".", "--seeds", "0,"], 1),
        (["compare", ".", "--images", "."], 1),
        (["compare", ".", "--set", "sampling.steps=9"], 1),
    ],
)
def test_help_and_mistakes_are_told_before_torch_or_prefect_is_loaded(words, code, tmp_path):
    script = (
        "import sys; from typer.testing import CliRunner; from flows.cli.app import app; "
        f"found = CliRunner().invoke(app, {words!r}); assert found.exit_code == {code}; "
        f"assert {code} == (type(found.exception).__name__ == 'BadInput'); "
        "sys.exit(bool({'torch', 'prefect'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)


def test_no_arms_name_is_cut_in_a_narrow_terminal():
    said = CliRunner().invoke(app, ["compare", "--help"], env={"COLUMNS": "80"}).stdout
    assert all(re.search(rf"{re.escape(name)}[,.]", said) for name in ARMS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_says_what_data_is(command):
    result = terrabalance(command, "--help")
    assert result.returncode == 0
    assert "one subfolder a class" in result.stdout and "--preset" in result.stdout


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["scan", "nowhere"], "nowhere"),
        (["scan", ".", "--set", "generator.setps=3"], "generator.setps"),
        (["scan", ".", "--preset", "huge"], "preset"),
        (["plan", ".", "--target", "most"], "plan.target"),
        (["plan", ".", "--classes", ""], "--classes '': holds no name"),
        (["compare", ".", "--arms", ""], "--arms '': holds no name"),
        (["compare", ".", "--seeds", "0,"], "--seeds '0,': holds no name"),
        (["compare", ".", "--images", "."], "--images goes with a CSV only"),
        (["compare", ".", "--set", "sampling.steps=9"], "sampling.steps=9: a comparison does not"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words, reason, tmp_path):
    result = terrabalance(*words, cwd=tmp_path)
    assert result.returncode == 2
    assert reason in result.stderr and "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_command_that_is_refused_before_a_catalogue_leaves_nothing(
    command, scenes, nursery, tmp_path
):
    too_small = shutil.copytree(scenes / "Beach", tmp_path / "data" / "Beach").parent
    (too_small / "Pond").mkdir()
    shutil.copy(next((scenes / "River").iterdir()), too_small / "Pond")
    work = tmp_path / "work"
    for data, reason in ("nowhere", "no such file"), (too_small, "'Pond' has 1 usable"):
        ended = nursery.do([command, data, "--name", "x", "--workdir", work], cwd=tmp_path)
        assert ended.refusal and reason in ended.refusal, ended.said
    assert not work.exists()


@pytest.mark.parametrize("place", [".", "results", ".."])
def test_results_are_not_put_where_the_next_scan_would_take_them_for_images(
    place, scenes, tmp_path
):
    data = shutil.copytree(scenes, tmp_path / "work" / "data")
    before = sorted(data.rglob("*"))
    result = terrabalance("scan", data, "--workdir", data / place, cwd=data)
    assert result.returncode == 2 and "--workdir" in result.stderr
    assert sorted(data.rglob("*")) == before


def test_a_hidden_folder_in_the_data_may_take_the_results(scenes, tmp_path):
    data = shutil.copytree(scenes, tmp_path / "images")
    for _ in range(2):
        result = terrabalance("scan", data, "--workdir", data / ".work", cwd=data)
        assert result.returncode == 0, result.stderr


def test_scan_prints_counts_and_what_was_left_out(scenes, tmp_path):
    data = shutil.copytree(scenes, tmp_path / "scenes")
    (data / "Forest" / "notes.txt").write_text("to do")
    result = terrabalance("scan", data, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Forest" in result.stdout and "Imbalance ratio" in result.stdout
    assert "not an image: 1 (Forest/notes.txt)" in result.stdout


def test_a_scan_writes_a_lost_listing_again_and_tells_of_a_changed_one(scenes, tmp_path):
    def scan() -> str:
        return terrabalance("scan", scenes, cwd=tmp_path).stdout

    scan()
    listing = next(tmp_path.glob("data/catalogues/*/manifest.csv"))
    before = listing.read_text()
    listing.unlink()
    assert "was changed" not in scan() and listing.read_text() == before
    listing.write_text(before.replace(",Beach,", ",River,"))
    assert f"{listing} was changed." in scan() and listing.read_text() != before


def test_a_workdir_that_cannot_be_written_is_one_line(scenes, tmp_path):
    (tmp_path / "file").write_text("")
    result = terrabalance("scan", scenes, "--workdir", tmp_path / "file", cwd=tmp_path)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr and str(tmp_path / "file") in result.stderr


def test_stages_one_by_one_end_with_a_report_and_a_dataset_that_verifies(
    scenes, tiny_toml, nursery, tmp_path
):
    def do(*words: str | Path) -> Ended:
        return nursery.do(words, cwd=tmp_path)

    rest = (scenes, "--config", tiny_toml, "--name", "x")
    for command in ("plan", "train", "sample", "assemble", "classify", "report"):
        ended = do(command, *rest)
        assert ended.exit == 0, ended.said
    assert (tmp_path / "reports" / "x" / "index.html").stat().st_size > 10_000
    assert "Report:" in ended.said
    made = re.search(r"generators (\d+) of (\d+), classes' images (\d+) of", do("plan", *rest).said)
    assert made and len(set(made.groups())) == 1 and int(made[1]) > 0
    dataset = tmp_path / "data" / "datasets" / "x"
    for words in (("report", "x"), ("verify", "reports/x"), ("verify", dataset)):  # by its name too
        assert do(*words).exit == 0
    assert "halved" in do("compare", "x", "--arms", "real,halved", "--seeds", "0").said
    (dataset / "train" / "mine.png").write_bytes(b"")
    ended = do("verify", dataset)
    assert ended.exit == 1 and "train/mine.png" in ended.said


def test_settings_lists_every_field_with_its_value_in_a_preset():
    text = terrabalance("settings").stdout
    for name in ("training.steps", "generator.objective", "classifier.model", "split.val"):
        assert name in text
    assert "preset cpu" in text and re.search(r"generator\.image_size +64 ", text)
    for raw in ("Pydantic", "Posix", "(None)"):
        assert raw not in text
    text = terrabalance("settings", "--preset", "8gb").stdout
    assert "preset 8gb" in text and re.search(r"generator\.image_size +128 ", text)


def test_the_demo_ends_with_a_report_and_can_be_given_again_with_other_settings(nursery, tmp_path):
    small = ["plan.rarest=1", "plan.target=30", "base.steps=2", "base.evaluations=1",
             "training.steps=2", "training.evaluations=1", "sampling.steps=2", "generator.dim=8",
             "generator.timesteps=5", "screening.most_draws=1", "classifier.model=test_resnet",
             "classifier.steps=2", "classifier.seeds=[0]", "screening.enabled=false"]  # fmt: skip
    demo = ["demo", "--workdir", tmp_path, *(word for each in small for word in ("--set", each))]
    first = terrabalance(*demo)  # as a newcomer would
    assert first.returncode == 0, first.stderr
    second = nursery.do([*demo, "--set", "classifier.steps=3"])
    assert second.exit == 0, second.said
    for said in (first.stdout, second.said):
        assert "Report:" in said and "drawn test images" in said
    assert len(list((tmp_path / "reports").glob("*/index.html"))) == 2
    # In processes of their own: what a command does not import itself is not there.
    listed = terrabalance("cache", "list", "--workdir", tmp_path)
    assert listed.returncode == 0 and "catalogues" in listed.stdout, listed.stderr
    verified = terrabalance("verify", next(tmp_path.glob("data/datasets/*/class_map.txt")).parent)
    assert verified.returncode == 0, verified.stdout + verified.stderr


_ENDLESS = ("strategy=scratch", "training.steps=100000", "training.evaluations=0",
            "training.checkpoint_every=5", "generator.dim=8")  # fmt: skip


def _ended_in_training(nursery, command, scenes, workdir, ask, *more, nohup=False) -> Ended:
    """Train without end until `ask` has it end."""
    words = [command, scenes, "--preset", "demo", "--workdir", workdir]
    words += [word for each in (*_ENDLESS, *more) for word in ("--set", each)]
    begun = nursery.begin([[words]], nohup=nohup)
    (pid,) = begun.pids
    try:
        checkpoints = "data/generators/*/checkpoints/*.pt"
        eventually(lambda: list(workdir.glob(checkpoints)), "a training has begun")
        ask(pid)
        (ended,) = begun.end()
        eventually(lambda: not alive_of(pid), "all processes are gone")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    assert "Stopped. What is finished is kept: the same command goes on from there." in ended.said
    assert "Traceback" not in ended.said
    return ended


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_ends_at_once_with_a_line_and_no_process(
    sent, nursery, scenes, tmp_path
):
    def ask(pid: int) -> None:  # all of its group, as terminals, `timeout` and batch systems do
        os.killpg(pid, sent)

    two = "execution.per_device=2"
    ended = _ended_in_training(nursery, "run", scenes, tmp_path, ask, two)
    assert ended.exit == 128 + sent
    assert "Crash" not in ended.said


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stage_that_is_asked_to_end_says_so_and_exits_as_shells_count(
    sent, nursery, scenes, tmp_path
):
    def ask(pid: int) -> None:
        os.kill(pid, sent)

    assert _ended_in_training(nursery, "train", scenes, tmp_path, ask).exit == 128 + sent


def test_a_stage_that_nohup_protects_outlives_its_terminal(nursery, scenes, tmp_path):
    def ask(pid: int) -> None:
        os.kill(pid, signal.SIGHUP)
        os.kill(pid, signal.SIGTERM)

    ended = _ended_in_training(nursery, "train", scenes, tmp_path, ask, nohup=True)
    assert ended.exit == 128 + signal.SIGTERM


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        result = subprocess.run(
            [sys.executable, "-m", "flows", "cache", "list", "--workdir", str(tmp_path)],
            stdout=pipe, stderr=subprocess.PIPE, text=True, check=False, timeout=PATIENCE_S,
        )  # fmt: skip
    assert result.stderr == ""
