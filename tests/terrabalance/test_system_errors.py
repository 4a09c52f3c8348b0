"""What the system really refuses, said in a sentence."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
import torch
from waiting import PATIENCE_S

from terrabalance.files import copy_file, write_text
from terrabalance.system_errors import in_words, is_out_of_memory, no_memory_in_words
from terrabalance.tables import write_table


def file_as_folder(folder: Path) -> None:
    (folder / "file").write_text("")
    write_text(folder / "file" / "a.txt", "")


def folder_as_file(folder: Path) -> None:
    (folder / "a.txt" / "b").mkdir(parents=True)
    write_text(folder / "a.txt", "")


def too_long(folder: Path) -> None:
    write_text(folder / ("a" * 300), "")


def in_a_circle(folder: Path) -> None:
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    (folder / "a").read_bytes()


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (file_as_folder, "a file is where a folder has to be. Rename"),
        (folder_as_file, "a folder is where a file has to be. Rename"),
        (too_long, "the name is too long"),
        (in_a_circle, "links that lead to themselves"),
        (lambda folder: (folder / "none").read_bytes(), "none: no such file"),
    ],
)
def test_what_is_refused_is_named_with_what_to_do(refused, reason, tmp_path):
    with pytest.raises(OSError) as caught:
        refused(tmp_path)
    said = in_words(caught.value)
    assert said.startswith(str(tmp_path)) and reason in said
    assert ".part" not in said  # of a temporary file, which is gone when people look for it


def limited(limit: str, script: str, tmp_path: Path) -> str:
    """What is said of a script's error under a limit of `resource`."""
    before = f"""
import resource, signal
from pathlib import Path
from terrabalance.files import atomic_write
from terrabalance.system_errors import in_words, is_out_of_memory, no_memory_in_words
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.{limit}, (64, 64))
try:
    {script}
except OSError as error:
    print(in_words(error))
"""
    return subprocess.run(
        [sys.executable, "-c", before], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout


def test_a_file_that_may_not_grow_is_named_though_the_system_names_none(tmp_path):
    script = "with atomic_write(Path('a.bin')) as file: file.write(b'x' * 100_000)"
    assert limited("RLIMIT_FSIZE", script, tmp_path).startswith("a.bin: no file may be so large")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_that_of_the_copy_and_not_that_of_its_source(tmp_path):
    source, full = tmp_path / "source", Path("/dev/full")  # to which nothing can be written
    source.write_bytes(b"x" * 100_000)
    with pytest.raises(OSError) as caught:
        copy_file(source, full)
    assert in_words(caught.value).startswith(f"{full}: the disk is full (disk /dev")


def test_a_copy_that_may_not_grow_is_named_and_not_its_source(tmp_path):
    (tmp_path / "source").write_bytes(b"x" * 100_000)
    script = "from terrabalance.files import copy_file; copy_file('source', 'copy', with_facts={})"
    for with_facts in (False, True):
        said = limited("RLIMIT_FSIZE", script.format(with_facts), tmp_path)
        assert said.startswith("copy: no file may be so large")


def test_too_many_open_files_end_with_how_to_raise_the_limit(tmp_path):
    said = limited("RLIMIT_NOFILE", "files = [open('/dev/null') for _ in range(100)]", tmp_path)
    assert "too many open files" in said and "ulimit -n" in said


def test_what_a_library_or_a_connection_says_is_left_as_it_is():
    assert in_words(OSError("cannot identify image file")) == "cannot identify image file"
    assert "reset by peer" in in_words(ConnectionResetError(104, "Connection reset by peer"))


def of_torch() -> None:
    torch.empty(2**50)


def of_a_gpu() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...")


@pytest.mark.parametrize(
    ("asks", "said"),
    [
        (of_torch, "when 4503599627370496 bytes more were needed: set a smaller"),
        (of_a_gpu, "when 2.00 GiB more were needed: set a smaller"),
        (lambda: bytes(2**62), "memory ran out: set a smaller"),
    ],
)
def test_memory_that_runs_out_is_said_with_the_settings_that_need_less(asks, said):
    with pytest.raises((MemoryError, RuntimeError)) as refused:
        asks()
    assert is_out_of_memory(refused.value)
    assert said in no_memory_in_words(refused.value)


def test_a_library_that_finds_no_room_is_said_with_the_limit(tmp_path):
    script = "import resource; resource.setrlimit(resource.RLIMIT_AS, (600_000_000, 600_000_000))"
    script += "; from flows.cli import app; import sys; sys.argv[1:] = ['train', '.']; "
    script += "import typer.testing; app.app = lambda: __import__('torch'); app.main()"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "a library finds no room" in done.stderr and "ulimit -v" in done.stderr


def test_another_error_of_torch_is_not_taken_for_lack_of_memory():
    with pytest.raises(RuntimeError) as refused:
        torch.ones(2) + torch.ones(3)
    assert not is_out_of_memory(refused.value)


# Nothing may be started after these lines; no limit holds for root.
_NO_THREADS = """
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
if os.getuid() == 0:
    os.setuid(54321)
"""


def without_threads(before: str, then: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = f"import os, resource, threading\n{before}{_NO_THREADS}{then}"
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, cwd=folder, check=False, timeout=PATIENCE_S,
    )  # fmt: skip


def test_a_limit_on_threads_is_said_by_a_command_with_the_limit(tmp_path):
    start = "app.app = lambda: threading.Thread(target=print).start()"
    done = without_threads("from flows.cli import app", f"{start}\napp.main()", tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "gives this process no more threads" in done.stderr and "ulimit -u" in done.stderr


def test_a_table_is_neither_waited_for_without_threads_nor_called_damaged():
    with TemporaryDirectory() as folder:  # which another user may look into
        Path(folder).chmod(0o755)
        columns = {f"column {n}": ["x", "y"] for n in range(32)}  # Arrow reads each by a thread
        write_table(Path(folder) / "a.parquet", pa.table(columns), {})
        # With what reads a manifest imported, Arrow once waited here for ever.
        before = "from pathlib import Path\nfrom terrabalance.manifest import read_table"
        done = without_threads(before, "read_table(Path('a.parquet'))", Path(folder))
    refused = "SystemRefused: the system gives this process no more threads"
    assert done.returncode == 0 or refused in done.stderr, done.stderr
