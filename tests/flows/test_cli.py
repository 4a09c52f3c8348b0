import os
import shutil
import subprocess
import sys

import pytest

COMMANDS = ["run", "scan", "plan", "train", "sample", "assemble", "classify", "report"]


def terrabalance(*words: str, cwd=None) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "flows", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        timeout=240,
        check=False,
    )


def test_help_of_the_whole_lists_every_command():
    text = terrabalance("--help").stdout
    assert all(name in text for name in [*COMMANDS, "demo", "settings", "inpaint", "verify"])


def test_help_does_not_wait_for_torch_or_prefect():
    code = (
        "import sys; from typer.testing import CliRunner; from flows.cli import app; "
        "assert CliRunner().invoke(app, ['run', '--help']).exit_code == 0; "
        "sys.exit(bool({'torch', 'prefect', 'pandas'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


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
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words, reason, tmp_path):
    result = terrabalance(*words, cwd=tmp_path)
    assert result.returncode == 2
    assert reason in result.stderr and "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_command_that_is_refused_before_a_catalogue_leaves_nothing(command, scenes, tmp_path):
    too_small = shutil.copytree(scenes / "Beach", tmp_path / "data" / "Beach").parent
    (too_small / "Pond").mkdir()
    shutil.copy(next((scenes / "River").iterdir()), too_small / "Pond")
    work = tmp_path / "work"
    for data, reason in ("nowhere", "no such file"), (too_small, "'Pond' has 1 usable"):
        result = terrabalance(command, data, "--name", "x", "--workdir", work, cwd=tmp_path)
        assert result.returncode == 2 and reason in result.stderr
    assert not work.exists()


def test_scan_prints_counts_and_what_was_left_out(scenes, tmp_path):
    data = shutil.copytree(scenes, tmp_path / "scenes")
    (data / "Forest" / "notes.txt").write_text("to do")
    result = terrabalance("scan", data, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Forest" in result.stdout and "Imbalance ratio" in result.stdout
    assert "not an image: 1 (Forest/notes.txt)" in result.stdout


def test_a_workdir_that_cannot_be_written_is_one_line(scenes, tmp_path):
    (tmp_path / "file").write_text("")
    result = terrabalance("scan", scenes, "--workdir", tmp_path / "file", cwd=tmp_path)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr and str(tmp_path / "file") in result.stderr


def test_stages_one_by_one_end_with_a_report_and_a_dataset_that_verifies(
    scenes, tiny_toml, tmp_path
):
    for command in ("plan", "train", "sample", "assemble", "classify", "report"):
        result = terrabalance(command, scenes, "--config", tiny_toml, "--name", "x", cwd=tmp_path)
        assert result.returncode == 0, result.stderr
    assert (tmp_path / "reports" / "x" / "index.html").stat().st_size > 10_000
    assert "Report:" in result.stdout
    dataset = tmp_path / "data" / "datasets" / "x"
    assert terrabalance("verify", dataset).returncode == 0
    (dataset / "train" / "mine.png").write_bytes(b"")
    result = terrabalance("verify", dataset)
    assert result.returncode == 1 and "train/mine.png" in result.stdout


def test_settings_lists_every_field_with_its_meaning():
    text = terrabalance("settings").stdout
    for name in ("training.steps", "generator.objective", "classifier.model", "split.val"):
        assert name in text


def test_the_demo_ends_with_a_report_and_can_be_given_again_with_other_settings(tmp_path):
    small = ["base.steps=2", "training.steps=2", "sampling.steps=2", "generator.dim=8",
             "classifier.model=test_resnet", "classifier.steps=2"]  # fmt: skip
    settings = [word for each in small for word in ("--set", each)]
    for more in ([], ["--set", "seed=1"]):
        result = terrabalance("demo", "--workdir", str(tmp_path), *settings, *more)
        assert result.returncode == 0, result.stderr
        assert "Report:" in result.stdout and "drawn test images" in result.stdout
    assert len(list((tmp_path / "reports").glob("*/index.html"))) == 2
