import pytest
import torch
from torch import Tensor, nn

from augment.config import InpaintConfig
from augment.network.config import GeneratorConfig
from augment.network.generator import build_diffusion
from augment.sample.inpaint import inpaint, n_calls, walk

SPREAD, CORRELATION = 0.25, 0.9


class CorrelatedOracle(nn.Module):
    """Predicts v without error for neighbours in a row that are jointly normal.

    Clean images have mean 0; pixels 2k and 2k + 1 of a row are correlated, others independent.
    """

    def __init__(self, alphas_cumprod: Tensor) -> None:
        super().__init__()
        self.alphas_cumprod = alphas_cumprod
        self.covariance = SPREAD**2 * torch.tensor([[1, CORRELATION], [CORRELATION, 1]])

    def forward(self, images: Tensor, times: Tensor, _: None = None) -> Tensor:
        signal = self.alphas_cumprod[times[0]]
        alpha, sigma = signal.sqrt(), (1 - signal).sqrt()
        total = signal * self.covariance + (1 - signal) * torch.eye(2)
        gain = alpha * self.covariance @ torch.linalg.inv(total)
        pairs = images.reshape(*images.shape[:-1], -1, 2)
        clean = (pairs @ gain.T).reshape(images.shape)
        noise = (images - alpha * clean) / sigma
        return alpha * noise - sigma * clean


@pytest.fixture
def oracle():
    config = GeneratorConfig(image_size=(8, 16), dim=8, dim_mults=(1, 2))
    diffusion = build_diffusion(config)
    diffusion.model = CorrelatedOracle(diffusion.alphas_cumprod)
    return diffusion.eval()


def fill(diffusion, known: float, n: int = 40, **config: object) -> tuple[Tensor, Tensor]:
    """Return the filled pictures, and their unknown pixels: every second of a row."""
    image = torch.full((3, 8, 16), known)
    mask = torch.zeros(8, 16, dtype=torch.bool)
    mask[:, 1::2] = True
    with torch.inference_mode():
        *_, pictures = inpaint(diffusion, image, mask, list(range(n)), InpaintConfig(**config))
    return pictures, pictures[..., 1::2]


def test_filled_pixels_follow_the_distribution_given_the_known_ones(oracle):
    for known in (0.3, -0.2):
        pictures, filled = fill(oracle, known)
        assert torch.equal(pictures[..., ::2], torch.full_like(pictures[..., ::2], known))
        assert filled.mean().item() == pytest.approx(CORRELATION * known, rel=0.1)
        spread = SPREAD * (1 - CORRELATION**2) ** 0.5
        assert filled.std().item() == pytest.approx(spread, rel=0.15)


def test_without_resampling_they_do_not(oracle):
    wanted = CORRELATION * 0.3
    _, once = fill(oracle, 0.3, resamplings=1)
    _, often = fill(oracle, 0.3)
    off = [abs(filled.mean().item() - wanted) for filled in (once, often)]
    assert off[0] > 3 * off[1], off


def test_the_walk_is_the_papers(oracle):
    assert walk(InpaintConfig(steps=3, jump=1, resamplings=1)) == [3, 2, 1, 0]
    assert walk(InpaintConfig(steps=4, jump=2, resamplings=2)) == [4, 3, 2, 3, 4, 3, 2, 1, 0]
    assert n_calls(InpaintConfig(steps=4, jump=2, resamplings=2)) == 6


def test_one_seed_gives_one_picture_whoever_is_beside_it(oracle):
    image, mask = torch.zeros(3, 8, 16), torch.ones(8, 16, dtype=torch.bool)
    config = InpaintConfig(steps=5, jump=2, resamplings=2)
    with torch.inference_mode():
        *_, three = inpaint(oracle, image, mask, [1, 2, 3], config)
        *_, one = inpaint(oracle, image, mask, [2], config)
    torch.testing.assert_close(three[1:2], one)


def test_a_jump_longer_than_the_way_is_refused():
    with pytest.raises(ValueError, match=r"jump 9 is not below steps 9\. Give `--set jump=8` or"):
        InpaintConfig(steps=9, jump=9)
