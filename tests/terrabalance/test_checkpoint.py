import pytest
import torch
from flips import read_or_refused, some_flips
from safetensors.torch import load_file, save_file
from torch import nn
from users import needs_proc

from terrabalance.checkpoint import (
    load_into,
    load_newest,
    load_newest_whole,
    read_tensors,
    save_checkpoint,
    write_tensors,
)
from terrabalance.errors import BadInput


def test_what_was_saved_comes_back(tmp_path):
    parts = {"model": nn.Linear(2, 3).state_dict(), "losses": [(1, 0.5)], "note": "Pond"}
    save_checkpoint(tmp_path, 7, parts)
    found = load_newest(tmp_path)
    assert found is not None and found["step"] == 7 and found["note"] == "Pond"
    assert torch.equal(found["model"]["weight"], parts["model"]["weight"])


def test_newest_is_by_number_and_older_ones_are_dropped(tmp_path):
    for step in (9, 10, 10_000_000, 9_999_999):
        save_checkpoint(tmp_path, step, {}, keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step_10000000.pt", "step_9999999.pt"]
    assert load_newest(tmp_path) == {"step": 10_000_000}


def test_an_empty_or_missing_folder_has_no_checkpoint(tmp_path):
    assert load_newest(tmp_path) is None and load_newest(tmp_path / "gone") is None


def test_a_half_written_file_is_not_a_checkpoint(tmp_path):
    save_checkpoint(tmp_path, 1, {})
    (tmp_path / ".step_0000002.pt.99.part").write_bytes(b"half")
    assert load_newest(tmp_path) == {"step": 1}


def test_a_damaged_newest_file_is_named_with_the_way_out(tmp_path):
    save_checkpoint(tmp_path, 1, {})
    save_checkpoint(tmp_path, 2, {}).write_bytes(b"damaged")
    with pytest.raises(BadInput, match=r"step_0000002\.pt: .*Delete it"):
        load_newest(tmp_path)
    (tmp_path / "step_0000002.pt").unlink()
    assert load_newest(tmp_path) == {"step": 1}


def test_damaged_files_are_deleted_with_a_line_each_for_who_only_loses_time(tmp_path, caplog):
    assert load_newest_whole(tmp_path / "gone") is None
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, step, {}, keep=3)
    for step in (2, 3):
        (tmp_path / f"step_000000{step}.pt").write_bytes(b"damaged")
    assert load_newest_whole(tmp_path) == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["step_0000001.pt"]
    lines = [record.message for record in caplog.records]
    assert len(lines) == 2 and "step_0000003.pt" in lines[0] and "step_0000002.pt" in lines[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": torch.zeros(3, 5)}, r"'weight' has shape \(3, 5\), the model wants \(3, 2\)"),
        ({"extra": torch.zeros(1)}, r"'extra' has shape \(1,\), the model wants None"),
    ],
)
def test_a_mismatch_names_tensor_and_shapes(change, message):
    module = nn.Linear(2, 3)
    with pytest.raises(BadInput, match=message):
        load_into(module, {**module.state_dict(), **change}, "w.pth")


def test_a_missing_tensor_is_named():
    with pytest.raises(BadInput, match=r"w\.pth: tensor 'bias' has shape None"):
        load_into(nn.Linear(2, 3), {"weight": torch.zeros(3, 2)}, "w.pth")


# What torch says when such tensors are made: they are in beta, or deprecated.
@pytest.mark.filterwarnings("ignore:.*(nested tensors|Sparse CSR|quantize_per_tensor)")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.to_sparse(), "is of the layout torch.sparse_coo"),
        (lambda t: t.to_sparse_csr(), "is of the layout torch.sparse_csr"),
        (lambda t: torch.nested.nested_tensor([t, t]), "is nested"),
        (lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8), r"is quantized \(torch."),
        (lambda t: t.to("meta"), r"no values \(device meta\)"),
        (lambda t: t.long(), "is of torch.int64, the model's is of torch.float32"),
        (lambda t: t.bool(), "is of torch.bool, the model's"),
        (lambda t: t.to(torch.complex64), "is of torch.complex64, the model's"),
        (lambda t: t.to(torch.float8_e5m2), "is of torch.float8_e5m2, the model's"),
        (lambda t: t * float("nan"), "holds NaN, infinity"),
        (lambda t: t / 0, "holds NaN, infinity"),
        (lambda t: torch.full_like(t, 1e300, dtype=torch.float64), "beyond torch.float32"),
        (lambda t: t.tolist(), "is no tensor but a list"),
    ],
)  # fmt: skip
def test_a_tensor_that_torch_cannot_copy_or_would_change_is_named_and_refused(change, reason):
    module = nn.Linear(2, 3)
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(BadInput, match=rf"w\.pth: tensor 'weight' .*{reason}.* dense"):
        load_into(module, {**state, "weight": change(state["weight"])}, "w.pth")
    assert torch.equal(module.weight, state["weight"])  # nothing was loaded


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_loaded(dtype):
    module = nn.BatchNorm1d(3)  # with a number of batches, a whole number
    state = {name: tensor + 1 for name, tensor in module.state_dict().items()}
    cast = {name: t.to(dtype) if t.is_floating_point() else t.int() for name, t in state.items()}
    load_into(module, cast, "w.pth")
    assert all(torch.equal(module.state_dict()[name], tensor) for name, tensor in state.items())


def test_an_infinity_that_the_model_has_itself_is_no_fault_of_its_weights():
    module = nn.Module()
    module.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
    load_into(module, module.state_dict(), "w.pth")


@needs_proc
def test_a_checkpoint_that_the_disk_fails_to_give_is_not_to_be_deleted(tmp_path):
    (tmp_path / "step_0000001.pt").symlink_to("/proc/self/mem")
    for load in (load_newest, load_newest_whole):
        with pytest.raises(OSError, match="Input/output error"):
            load(tmp_path)
    assert (tmp_path / "step_0000001.pt").is_symlink()


def test_no_flipped_bit_changes_the_weights_that_are_read(tmp_path):
    path, state = tmp_path / "weights.safetensors", nn.Linear(8, 3).state_dict()
    state |= {"steps": torch.tensor(7), "half": torch.ones(3, dtype=torch.bfloat16)}
    write_tensors(path, state)
    flips = some_flips(path.read_bytes(), 1500)
    for found in read_or_refused(path, flips, lambda: read_tensors(path)):
        assert all(torch.equal(found[name], state[name]) for name in state)


def test_weights_of_others_are_read_without_a_hash(tmp_path):
    save_file({"weight": torch.ones(2)}, tmp_path / "w.safetensors")
    assert read_tensors(tmp_path / "w.safetensors")["weight"].tolist() == [1, 1]
    with pytest.raises(BadInput, match=r"gone\.safetensors: not weights"):
        read_tensors(tmp_path / "gone.safetensors")


def test_no_flipped_bit_changes_what_a_checkpoint_gives_back(tmp_path):
    state = nn.Linear(8, 3).state_dict()
    path = save_checkpoint(tmp_path, 1, {"model": state})
    flips = some_flips(path.read_bytes(), 500)
    for found in read_or_refused(path, flips, lambda: load_newest(tmp_path)):
        assert found is not None and found["step"] == 1
        assert all(torch.equal(found["model"][name], state[name]) for name in state)


class Tied(nn.Module):
    """Two layers of one weight, and a buffer that is a part of another."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = self.first
        self.register_buffer("whole", torch.arange(6.0))
        self.register_buffer("part", self.whole[2:4])


def test_layers_that_share_a_weight_are_written_by_each_name_and_share_it_when_read(tmp_path):
    module = Tied()
    write_tensors(tmp_path / "w.safetensors", module.state_dict())
    found = load_file(tmp_path / "w.safetensors")
    assert set(found) == set(module.state_dict())
    assert torch.equal(found["second.weight"], module.first.weight)
    assert found["part"].tolist() == [2, 3]
    other = Tied()
    load_into(other, found, "w.safetensors")
    assert torch.equal(other.first.weight, module.first.weight)
    assert other.first.weight is other.second.weight
