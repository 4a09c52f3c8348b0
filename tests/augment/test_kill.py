import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from terrabalance.files import sha256_of

SCRIPT = Path(__file__).with_name("killable.py")


def run_to_the_end(what: str, folder: Path) -> None:
    subprocess.run([sys.executable, str(SCRIPT), what, str(folder)], check=True)


def kill_once_there(what: str, folder: Path, pattern: str, n_files: int) -> None:
    """Start the work and SIGKILL it as soon as `n_files` files match `pattern`."""
    process = subprocess.Popen([sys.executable, str(SCRIPT), what, str(folder)])
    deadline = time.monotonic() + 120
    while len(list(folder.glob(pattern))) < n_files and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the work ended before it could be killed"
    assert not (folder / "done.json").exists()


def assert_same_files(left: Path, right: Path, pattern: str) -> None:
    names = sorted(path.name for path in left.glob(pattern))
    assert names == sorted(path.name for path in right.glob(pattern)) != []
    for name in names:
        assert sha256_of(left / name) == sha256_of(right / name), name


def test_a_killed_training_ends_with_the_same_weights(tmp_path):
    run_to_the_end("train", tmp_path / "whole")
    kill_once_there("train", tmp_path / "killed", "checkpoints/step_*.pt", 1)
    run_to_the_end("train", tmp_path / "killed")
    assert_same_files(tmp_path / "whole", tmp_path / "killed", "*.safetensors")
    assert_same_files(tmp_path / "whole", tmp_path / "killed", "losses.csv")


def test_a_killed_sampling_ends_with_the_same_images(tmp_path):
    run_to_the_end("sample", tmp_path / "a" / "whole")
    killed = tmp_path / "b" / "killed"
    kill_once_there("sample", killed, "0*.png", 6)
    whole_before = {path.name: path.stat().st_mtime_ns for path in killed.glob("0*.png")}
    run_to_the_end("sample", killed)
    assert_same_files(tmp_path / "a" / "whole", killed, "*.png")
    assert_same_files(tmp_path / "a" / "whole", killed, "manifest.csv")
    for name, written in whole_before.items():
        assert (killed / name).stat().st_mtime_ns == written, f"{name} was drawn again"
