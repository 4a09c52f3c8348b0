import pytest
import torch

from terrabalance import precision
from terrabalance.cache import cache_folder
from terrabalance.checkpoint import note_of_newest, save_checkpoint
from terrabalance.device import precision_on
from terrabalance.files import read_json, write_json
from terrabalance.precision import faster, faster_on_cpu, measure


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TERRABALANCE_CACHE", str(tmp_path / "cache"))
    faster_on_cpu.cache_clear()
    yield tmp_path / "cache"
    faster_on_cpu.cache_clear()


@pytest.mark.parametrize(
    ("fp32", "bf16", "chosen"),
    [
        ([1.0, 1.1], [0.5, 0.6], "bf16"),
        ([1.0, 1.1], [2.0, 2.2], "fp32"),
        ([1.0, 1.1], [0.95, 0.96], "fp32"),  # hardly faster, and coarser
        ([9.0, 1.0], [0.8, 9.0], "bf16"),  # what else the machine did counts for neither
        ([1.0, 9.0], [9.0, 1.0], "fp32"),
    ],
)
def test_bf16_is_chosen_where_its_best_time_is_clearly_shorter(fp32, bf16, chosen):
    assert faster({"fp32": fp32, "bf16": bf16}) == chosen


def test_both_are_measured_equally_often_and_no_random_number_is_used_up():
    before = torch.get_rng_state()
    seconds = measure()
    assert torch.equal(before, torch.get_rng_state())
    assert len(seconds["fp32"]) == len(seconds["bf16"]) >= 3
    assert min(map(min, seconds.values())) > 0


def test_a_machine_is_measured_once_for_all_processes(cache, monkeypatch):
    first = faster_on_cpu()
    kept = read_json(cache_folder() / "precision.json")
    assert list(kept.values()) == [first] and cache_folder() == cache
    other = {"bf16": "fp32", "fp32": "bf16"}[first]
    write_json(cache / "precision.json", dict.fromkeys(kept, other))
    faster_on_cpu.cache_clear()  # as another process
    monkeypatch.setattr(precision, "measure", lambda: pytest.fail("measured again"))
    assert faster_on_cpu() == other


def test_another_instruction_set_is_another_machine(cache, monkeypatch):
    faster_on_cpu()
    faster_on_cpu.cache_clear()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")
    faster_on_cpu()
    assert len(read_json(cache / "precision.json")) == 2


def test_a_damaged_record_is_measured_again(cache):
    cache.mkdir()
    (cache / "precision.json").write_text("{")
    assert faster_on_cpu() in ("bf16", "fp32")
    assert len(read_json(cache / "precision.json")) == 1


def test_where_nothing_can_be_kept_it_is_measured_and_goes_on(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TERRABALANCE_CACHE", str(tmp_path / "file" / "below"))
    assert faster_on_cpu() in ("bf16", "fp32")


def test_what_is_asked_for_is_not_measured(cpu, monkeypatch):
    monkeypatch.setattr(precision, "measure", lambda: pytest.fail("measured"))
    assert precision_on(cpu, "bf16") == "bf16" and precision_on(cpu, "fp32") == "fp32"


def test_a_note_of_a_checkpoint_is_read_and_none_without_one(tmp_path):
    assert note_of_newest(tmp_path, "precision") is None
    save_checkpoint(tmp_path, 1, {"precision": "fp32"})
    save_checkpoint(tmp_path, 2, {"precision": "bf16", "model": {"w": torch.zeros(3)}})
    assert note_of_newest(tmp_path, "precision") == "bf16"
    (tmp_path / "step_0000002.pt").write_bytes(b"damaged")
    assert note_of_newest(tmp_path, "precision") is None
