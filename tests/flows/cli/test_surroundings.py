"""What a command finds around it: streams that are closed or full, folders that are gone."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner
from waiting import PATIENCE_S

from flows.cli.app import app
from flows.cli.review import _login
from terrabalance.errors import BadInput


def python(*words: str, cwd: Path, **more) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, text=True, check=False, timeout=PATIENCE_S,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},
    )  # fmt: skip


@pytest.mark.parametrize("command", [["settings"], ["cache", "list"], ["scan", "nowhere"]])
def test_without_a_standard_output_a_command_works_and_says_nothing_else(command, tmp_path):
    usual = python("-m", "flows", *command, cwd=tmp_path)
    closed = python("-m", "flows", *command, cwd=tmp_path, preexec_fn=lambda: os.close(1))
    assert (closed.returncode, closed.stdout) == (usual.returncode, "")
    assert closed.stderr == usual.stderr and "Traceback" not in closed.stderr


def test_a_file_that_is_written_gets_nothing_of_a_stream_that_was_closed(scenes, tmp_path):
    def close_all() -> None:
        for number in range(3):
            os.close(number)

    words = ["-m", "flows", "scan", str(scenes), "--workdir", str(tmp_path)]
    assert python(*words, cwd=tmp_path, preexec_fn=close_all).returncode == 0
    closed = {path.name: path.read_bytes() for path in tmp_path.glob("data/catalogues/*/*.csv")}
    assert closed and all(b"Classes" not in content for content in closed.values())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_standard_output_that_is_full_is_named(tmp_path):
    with Path("/dev/full").open("w") as full:
        result = python("-m", "flows", "settings", cwd=tmp_path, stdout=full)
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert "standard output cannot be written (No space left on device)" in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_refusal_that_cannot_be_printed_has_its_exit_code(tmp_path):
    with Path("/dev/full").open("w") as full:
        result = python("-m", "flows", "plan", "nowhere", cwd=tmp_path, stderr=full)
    assert result.returncode == 2


def test_a_current_folder_that_was_deleted_is_one_line(tmp_path):
    (tmp_path / "gone").mkdir()
    script = "import os; os.rmdir('../gone'); from flows.cli.app import main; main()"
    result = python("-c", script, "scan", "x", cwd=tmp_path / "gone")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "error: the current folder was deleted. Change into another one.\n"


_READ_SETTINGS = "from flows.cli.prefects import read_prefects_settings; read_prefects_settings()"


def test_prefects_home_is_made_with_the_folders_above_it(tmp_path):
    home = tmp_path / "new" / "deep"
    result = python("-c", _READ_SETTINGS, cwd=tmp_path, env={**os.environ, "PREFECT_HOME": home})
    assert (result.returncode, result.stderr) == (0, "") and home.is_dir()


def test_prefects_home_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    home = str(tmp_path / "file" / "home")
    result = python("-c", _READ_SETTINGS, cwd=tmp_path, env={**os.environ, "PREFECT_HOME": home})
    assert "BadInput: PREFECT_HOME: " in result.stderr and str(tmp_path / "file") in result.stderr


@pytest.mark.parametrize("command", ["list", "prune"])
def test_a_mistyped_workdir_is_not_taken_for_an_empty_one(command, tmp_path):
    said = CliRunner().invoke(app, ["cache", command, "--workdir", str(tmp_path / "none")])
    assert isinstance(said.exception, BadInput)
    assert str(tmp_path / "none") in str(said.exception)


def test_pruning_where_there_is_nothing_says_so(tmp_path):
    said = CliRunner().invoke(app, ["cache", "prune", "--yes", "--workdir", str(tmp_path)]).stdout
    assert "There is nothing to remove." in said and "These were removed" not in said


def test_a_login_that_the_system_has_no_name_for_reviews_by_its_number(monkeypatch):
    """As in a container that is started with any number as its user."""

    def nobody(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    assert _login() == f"user {os.getuid()}"


@pytest.mark.parametrize("command", ["scan", "run"])
def test_a_full_disk_is_named_with_its_room_and_what_to_do(
    command, scenes, tiny_toml, nursery, tmp_path
):
    if not nursery.has_mounts:
        pytest.skip("this user cannot mount a small disk")
    disk = tmp_path / "disk"
    words = [command, scenes, "--config", tiny_toml, "--workdir", disk, "--name", "x"]
    with nursery.mounted(disk, "-t", "tmpfs", "-o", "size=16k", "none"):
        refused = nursery.do(words)
    assert refused.exit == 2 and "Traceback" not in refused.said, refused.said
    assert "the disk is full" in refused.said
    assert re.search(rf"disk {disk}: [\d,]+ of 16,384 bytes are free", refused.said)


@pytest.mark.parametrize(
    ("variable", "wrong", "reason"),
    [
        ("PREFECT_HOME", "HERE", "Unterminated string"),
        ("PREFECT_CLIENT_MAX_RETRIES", "many", "max_retries: Input should be a valid integer"),
    ],
)
def test_settings_of_prefect_that_cannot_be_read_are_one_line(
    variable, wrong, reason, scenes, tmp_path
):
    (tmp_path / "profiles.toml").write_text('active = "ours')
    result = subprocess.run(
        [sys.executable, "-m", "flows", "run", str(scenes), "--workdir", str(tmp_path)],
        env={**os.environ, variable: wrong.replace("HERE", str(tmp_path)), "NO_COLOR": "1"},
        capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert result.returncode == 2 and len(result.stderr.strip().splitlines()) == 1
    assert "Prefect cannot read its settings (" in result.stderr and reason in result.stderr


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_the_output_cannot_encode_is_escaped(scenes, tmp_path, encoding):
    shutil.copytree(scenes, tmp_path / "data")
    first = min(path for path in (tmp_path / "data").iterdir() if path.is_dir())
    first.rename(first.with_name("\u68ee\u6797"))
    words = ["-m", "flows", "scan", str(tmp_path / "data"), "--workdir", str(tmp_path / "w")]
    found = python(*words, cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": encoding},
                   encoding=encoding)  # fmt: skip
    assert (found.returncode, found.stderr) == (0, "")
    assert "\\u68ee\\u6797" in found.stdout and "##" in found.stdout


@pytest.mark.parametrize("columns", ["0", ""])
def test_a_width_of_nothing_silences_no_command(tmp_path, columns):
    environment = {**os.environ, "COLUMNS": columns}
    found = python("-m", "flows", "scan", "nowhere", cwd=tmp_path, env=environment)
    assert found.returncode == 2 and "nowhere: no such file or folder" in found.stderr
    found = python("-m", "flows", "cache", "list", cwd=tmp_path, env=environment)
    assert found.returncode == 0 and found.stdout.strip()
