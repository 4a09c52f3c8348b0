"""Kernels in Triton, which `augment.network.fused` calls."""

import triton
import triton.language as tl


@triton.jit
def forward(
    features, bias, gain, scale, shift, out, n_pixels, root, shortest,
    WIDTH: tl.constexpr, LANES: tl.constexpr, ROWS: tl.constexpr, SHIFTS: tl.constexpr,
    MODULATES: tl.constexpr, ACTIVATES: tl.constexpr,
):  # fmt: skip
    """Write the result of ROWS pixels of an image.

    Every array is read as rows of WIDTH channels, one a pixel; LANES is the next power of two.
    """
    image, lanes = tl.program_id(1).to(tl.int64), tl.arange(0, LANES)
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    there = lanes < WIDTH
    here = (rows < n_pixels)[:, None] & there[None, :]
    at = (image * n_pixels + rows)[:, None] * WIDTH + lanes[None, :]
    values = tl.load(features + at, mask=here, other=0.0).to(tl.float32)
    if SHIFTS:
        values += tl.load(bias + lanes, mask=there, other=0.0)[None, :]
    length = tl.maximum(tl.sqrt(tl.sum(values * values, axis=1)), shortest)
    result = values * (root / length)[:, None] * tl.load(gain + lanes, mask=there)[None, :]
    if MODULATES:
        place = image * WIDTH + lanes
        factor = 1.0 + tl.load(scale + place, mask=there, other=0.0)
        offset = tl.load(shift + place, mask=there, other=0.0)
        result = result * factor[None, :] + offset[None, :]
    if ACTIVATES:
        result = result * tl.sigmoid(result)
    tl.store(out + at, result.to(out.dtype.element_ty), mask=here)


@triton.jit
def backward(
    features, bias, gain, scale, shift, grad, out, sums, n_pixels, root, shortest, n_tiles,
    WIDTH: tl.constexpr, LANES: tl.constexpr, ROWS: tl.constexpr, SHIFTS: tl.constexpr,
    MODULATES: tl.constexpr, ACTIVATES: tl.constexpr,
):  # fmt: skip
    """Write the gradient of the features of every n-th tile of an image, of n programs.

    Also write the sums over those tiles of slope times unit vector, of the slope, and of that
    gradient, which give the gradients of gain, scale, shift and bias.
    """
    image, lanes = tl.program_id(1).to(tl.int64), tl.arange(0, LANES)
    there = lanes < WIDTH
    gains = tl.load(gain + lanes, mask=there, other=0.0)
    factor = gains
    if MODULATES:
        place = image * WIDTH + lanes
        factor = gains * (1.0 + tl.load(scale + place, mask=there, other=0.0))
        offset = tl.load(shift + place, mask=there, other=0.0)
    total = tl.zeros((LANES,), tl.float32)
    moved = tl.zeros((LANES,), tl.float32)
    under = tl.zeros((LANES,), tl.float32)
    if SHIFTS:
        added = tl.load(bias + lanes, mask=there, other=0.0)
    for tile in range(tl.program_id(0), n_tiles, tl.num_programs(0)):
        rows = tile * ROWS + tl.arange(0, ROWS)
        here = (rows < n_pixels)[:, None] & there[None, :]
        at = (image * n_pixels + rows)[:, None] * WIDTH + lanes[None, :]
        values = tl.load(features + at, mask=here, other=0.0).to(tl.float32)
        slope = tl.load(grad + at, mask=here, other=0.0).to(tl.float32)
        if SHIFTS:
            values += added[None, :]
        length = tl.maximum(tl.sqrt(tl.sum(values * values, axis=1)), shortest)
        unit = values / length[:, None]
        if ACTIVATES:
            before = unit * root * factor[None, :]
            if MODULATES:
                before += offset[None, :]
            gate = tl.sigmoid(before)
            slope = slope * gate * (1.0 + before * (1.0 - gate))
        total += tl.sum(slope * unit, axis=0)
        if MODULATES:
            moved += tl.sum(slope, axis=0)
        pull = slope * factor[None, :]
        along = tl.sum(pull * unit, axis=1)
        back = (root / length)[:, None] * (pull - unit * along[:, None])
        if SHIFTS:
            under += tl.sum(back, axis=0)
        tl.store(out + at, back.to(out.dtype.element_ty), mask=here)
    kind = tl.num_programs(1) * tl.num_programs(0) * WIDTH
    first = sums + (image * tl.num_programs(0) + tl.program_id(0)) * WIDTH + lanes
    tl.store(first, total * root, mask=there)
    if MODULATES:
        tl.store(first + kind, moved, mask=there)
    if SHIFTS:
        tl.store(first + 2 * kind, under, mask=there)
