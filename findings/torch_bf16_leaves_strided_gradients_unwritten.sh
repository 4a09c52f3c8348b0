#!/usr/bin/env bash
# In bf16 on a CPU, torch leaves the weight gradient of a strided convolution unwritten where the
# kernel meets padding alone.
#
# Expected: the gradient of a 3 x 3 kernel of stride 2 and padding 1 that looks at one pixel is zero
#   but in its middle, as eight of its nine places meet padding alone; it is so in float32, and in
#   bf16 it is the same up to rounding, whatever was computed before.
# What happens: in bf16 those eight places hold what was in that memory. Here it held NaN, and so
#   does the gradient; after other work it holds other numbers, and the same seed trains another
#   network. Nothing is said, and the loss of the step is right.
# Versions: torch 2.15.0, Python 3.11, a CPU with AVX512-BF16.
# Output seen:
#   float32: 0 values that are not finite, 0 beside the middle that are not zero
#   bf16: 1227776 values that are not finite (the number varies)
# Whom it hurts: whoever fine-tunes a ResNet of timm in bf16 on a CPU with small images: at 16 px
#   the last stage sees one pixel. Weights of the deepest layer drift at random or become NaN.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.15.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import torch
from torch.nn.functional import conv2d

torch.set_num_threads(1)


def gradient(dtype):
    torch.manual_seed(0)
    image = torch.randn(8, 256, 1, 1).to(dtype, memory_format=torch.channels_last)
    kernel = torch.randn(512, 256, 3, 3).to(memory_format=torch.channels_last).requires_grad_()
    former = [torch.full((1179648 * (1 + n % 2),), torch.nan) for n in range(6)]
    del former  # the next tensors find it in their memory
    conv2d(image, kernel.to(dtype), stride=2, padding=1).float().pow(2).sum().backward()
    return kernel.grad


def not_finite(dtype):
    return sum(int((~torch.isfinite(gradient(dtype))).sum()) for _ in range(5))


right = gradient(torch.float32)
beside = int((right != 0).sum() - (right[:, :, 1, 1] != 0).sum())
print(f"float32: {not_finite(torch.float32)} values that are not finite, "
      f"{beside} beside the middle that are not zero")
assert beside == 0 and not_finite(torch.float32) == 0
unwritten = not_finite(torch.bfloat16)
print(f"bf16: {unwritten} values that are not finite")
assert unwritten > 0
PY
echo "as described"
