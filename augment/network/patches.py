"""Let a U-Net work on patches of pixels: a fraction of the positions, and no pixel fewer.

Pixels of a patch become channels of one position before the first convolution, and pixels again
after the last one. That moves numbers and changes none, so white noise stays white: the diffusion
process, its loss and its samplers see whole images, and nothing of the patches (as the patches of
arXiv:2212.09748, and the wavelets of section 3.4 of arXiv:2301.11093).
"""

from denoising_diffusion_pytorch import Unet
from torch import nn

_FEWEST_HIDDEN = 16  # channels of each pixel before the last convolution


def work_on_patches(unet: Unet, patch: int) -> None:
    """Replace the first and the last convolution of a U-Net, in place.

    Upstream's first one looks at 7 x 7 pixels. Here it looks at 3 x 3 patches, which are at least
    6 x 6. The last one works on pixels: were it one of patches, each pixel of a patch would have
    weights of its own, and their borders would show as a mesh. The number of pixels of a side must
    be a multiple of `patch`.

    Args:
        unet: of (B, C, H, W) images.
        patch: side of the patches, in pixels; 1 changes nothing.
    """
    if patch == 1:
        return
    width, n_values = unet.init_conv.out_channels, unet.channels * patch**2
    unet.init_conv = nn.Sequential(
        nn.PixelUnshuffle(patch), nn.Conv2d(n_values, width, 3, padding=1)
    )
    n_hidden = max(_FEWEST_HIDDEN, unet.channels)
    unet.final_conv = nn.Sequential(
        nn.Conv2d(width, n_hidden * patch**2, 1),
        nn.PixelShuffle(patch),
        nn.SiLU(),
        # Zeros beyond the border would leave its pixels grainy.
        nn.Conv2d(n_hidden, unet.channels, 3, padding=1, padding_mode="replicate"),
    )
