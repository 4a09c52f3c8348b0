import pytest
import torch
from torch import nn

from augment.network.config import GeneratorConfig
from augment.network.generator import build_diffusion
from augment.train.optimizer import Muon, optimizers_of, orthogonal

RATE = 1e-2


@pytest.fixture
def unet():
    torch.manual_seed(0)
    config = GeneratorConfig(image_size=16, dim=16, dim_mults=(1, 2), patch=2)
    return build_diffusion(config, n_classes=3).model


def gradients(weights: list[nn.Parameter], seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    for weight in weights:
        weight.grad = torch.randn(weight.shape, generator=draw)


@pytest.mark.parametrize("shape", [(24, 40), (40, 24), (16, 8, 3, 3)])
def test_a_matrix_is_updated_as_by_torchs_muon(shape: tuple[int, ...]):
    start = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.flatten(1).clone())
    muon = Muon([ours], RATE, torch.bfloat16)
    reference = torch.optim.Muon(
        [theirs], lr=RATE, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
    )
    for step in range(4):
        gradients([ours], step)
        theirs.grad = ours.grad.flatten(1)
        muon.step()
        reference.step()
    torch.testing.assert_close(ours.flatten(1), theirs, rtol=0, atol=RATE / 50)


def test_matrices_of_a_shape_are_updated_together_as_each_alone():
    together = [nn.Parameter(torch.zeros(16, 32)) for _ in range(3)]
    alone = [nn.Parameter(torch.zeros(16, 32)) for _ in range(3)]
    gradients(together, 1)
    gradients(alone, 1)
    Muon(together, RATE, torch.float32).step()
    for each in alone:
        Muon([each], RATE, torch.float32).step()
    for ours, theirs in zip(together, alone, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_an_update_has_almost_the_singular_vectors_of_the_gradient_and_even_values():
    left, _ = torch.linalg.qr(torch.randn(20, 20, generator=torch.Generator().manual_seed(2)))
    right, _ = torch.linalg.qr(torch.randn(50, 50, generator=torch.Generator().manual_seed(3)))
    values = torch.logspace(0, -2, 20)
    matrix = left @ torch.diag(values) @ right[:20]
    found = left.T @ orthogonal(matrix[None])[0] @ right[:20].T
    assert found.diagonal().min() > 0.6 and found.diagonal().max() < 1.25
    assert (found - torch.diag(found.diagonal())).abs().max() < 1e-4


def test_muon_learns_hidden_kernels_and_adam_the_rest(unet):
    muon, adam = optimizers_of(unet, "muon", RATE, bf16=False).members
    named = {id(weight): name for name, weight in unet.named_parameters()}
    of_muon = {named[id(weight)] for weight in muon.param_groups[0]["params"]}
    of_adam = {named[id(weight)] for weight in adam.param_groups[0]["params"]}
    assert of_muon | of_adam == set(named.values()) and not of_muon & of_adam
    assert {"downs.0.0.block1.proj.weight", "mid_attn.to_qkv.weight"} <= of_muon
    assert "downs.0.0.mlp.1.weight" in of_adam
    assert {"init_conv.1.weight", "final_conv.0.weight", "time_mlp.of_class.weight"} <= of_adam
    assert not any(name.endswith((".g", ".bias", "mem_kv")) for name in of_muon)


def test_adam_is_torchs_for_all_weights(unet):
    weights = list(unet.parameters())
    theirs = [nn.Parameter(weight.detach().clone()) for weight in weights]
    ours = optimizers_of(unet, "adam", RATE, bf16=False)
    reference = torch.optim.Adam(theirs, lr=RATE, betas=(0.9, 0.99))
    for step in range(2):
        gradients(weights, step)
        gradients(theirs, step)
        ours.step()
        reference.step()
    for mine, other in zip(weights, theirs, strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("name", ["muon", "adam"])
def test_what_a_checkpoint_kept_goes_on_to_the_bit(unet, name: str, tmp_path):
    weights = list(unet.parameters())
    optimizers = optimizers_of(unet, name, RATE, bf16=True)
    gradients(weights, 0)
    optimizers.step()
    torch.save((unet.state_dict(), optimizers.state_dict()), tmp_path / "saved.pt")
    gradients(weights, 1)
    optimizers.step()
    straight = [weight.detach().clone() for weight in weights]

    network, state = torch.load(tmp_path / "saved.pt", weights_only=True)
    unet.load_state_dict(network)
    again = optimizers_of(unet, name, RATE, bf16=True)
    again.load_state_dict(state)
    gradients(weights, 1)
    again.step()
    assert all(torch.equal(*pair) for pair in zip(weights, straight, strict=True))


def test_the_state_of_adam_that_earlier_versions_kept_is_read(unet):
    weights = list(unet.parameters())
    before = torch.optim.Adam(weights, lr=RATE, betas=(0.9, 0.99), fused=True)
    gradients(weights, 0)
    before.step()
    now = optimizers_of(unet, "adam", RATE, bf16=False)
    now.load_state_dict(before.state_dict())
    assert torch.equal(
        now.members[0].state[weights[0]]["exp_avg"], before.state[weights[0]]["exp_avg"]
    )
