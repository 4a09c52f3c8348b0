"""What computes here, how exactly it does, and which preset fits it."""

import os
import warnings

from flows.cli.checks.finding import Finding
from flows.settings.presets import PresetName
from terrabalance.machine import core_quota, gpus_of_driver, usable_cores

# GiB from which on a GPU takes a preset: a little less than in its name, as cards report it.
_PRESETS: tuple[tuple[PresetName, float], ...] = (("datacenter", 70), ("24gb", 20), ("8gb", 7))


def check_device() -> Finding:
    """Tell which devices a run takes, after a small sum on each; say why a GPU is left idle."""
    import torch

    name = "device"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        has_cuda = torch.cuda.is_available()
    if has_cuda:
        return _check_gpus(name)
    if idle := gpus_of_driver():
        why, advice = _why_idle(str(said[0].message) if said else "")
        return Finding(name, "warning", f"cpu, while {'; '.join(idle)} stands idle: {why}", advice)
    if torch.backends.mps.is_available():
        return Finding(name, "ok", "mps (Apple's GPU), with the memory of the machine")
    return Finding(name, "ok", "cpu: there is no GPU")


def _check_gpus(name: str) -> Finding:
    import torch

    lines = []
    for number in range(torch.cuda.device_count()):
        of_card = torch.cuda.get_device_properties(number)
        called = f"cuda:{number} {of_card.name}"
        try:
            torch.ones(1, device=f"cuda:{number}").add(1).item()
            free, total = torch.cuda.mem_get_info(number)
        except RuntimeError as error:  # no code for this card in this torch, or others hold it
            why = str(error).partition("\n")[0]
            advice = (
                f"Free it with nvidia-smi, or install a torch built for its compute capability "
                f"{of_card.major}.{of_card.minor}; until then: --device cpu"
            )
            return Finding(name, "broken", f"{called} computes nothing: {why}", advice)
        lines.append(f"{called}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free")
    drivers = {one.rpartition("driver ")[2] for one in gpus_of_driver() if "driver " in one}
    driver = "".join(f", driver {one}" for one in sorted(drivers))
    return Finding(name, "ok", f"{'; '.join(lines)} (CUDA {torch.version.cuda}{driver})")


def _why_idle(warned: str) -> tuple[str, str]:
    """Return why torch has no CUDA on a machine with a GPU, and what to do."""
    import torch

    if torch.version.cuda is None:
        return "this torch is built without CUDA", (
            "pip install --force-reinstall torch torchvision (for Linux they hold CUDA)"
        )
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None:
        return f"CUDA_VISIBLE_DEVICES={hidden!r} hides it", (
            "unset CUDA_VISIBLE_DEVICES, or ask the cluster for a GPU"
        )
    if not warned:
        try:
            torch.zeros(1, device="cuda")
        except (RuntimeError, AssertionError) as error:
            warned = str(error)
    return warned.partition(". ")[0].partition("\n")[0] or "torch does not say why", (
        f"Update the NVIDIA driver to one for CUDA {torch.version.cuda}, or install a torch of an "
        "older CUDA; start a container with --gpus all"
    )


def check_cores() -> Finding:
    """Hold the threads of a process against the cores that it may use."""
    import torch

    cores, quota, threads = usable_cores(), core_quota(), torch.get_num_threads()
    many = "" if threads == 1 else "s"
    found = f"{threads} thread{many} on {cores} of {os.cpu_count()} cores"
    allowed = min(cores, quota or cores)
    if quota is not None:
        found += f", with the time of {quota:g}"
    if threads > max(1, allowed):
        advice = f"export OMP_NUM_THREADS={max(1, int(allowed))}"
        return Finding("cores", "warning", f"{found}: they wait for one another", advice)
    return Finding("cores", "ok", found)


def check_precision() -> Finding:
    """Tell what `training.precision=auto` takes; a CPU is timed once, as for a run."""
    from terrabalance.device import pick_device, precision_on

    device = pick_device()
    taken = precision_on(device, "auto")
    why = {
        ("cpu", "bf16"): "timed here, a tenth faster than fp32 at least",
        ("cpu", "fp32"): "bf16 is not supported here, or not a tenth faster",
        ("cuda", "bf16"): "this GPU computes it",
        ("cuda", "fp32"): "this GPU computes no bf16, so trainings take more memory",
    }.get((device.type, taken), "bf16 is not tried there")
    return Finding("precision", "ok", f"auto takes {taken} on {device.type}: {why}")


def fitting_preset() -> PresetName:
    """Return the preset for the smallest GPU here, as a run takes them all; without one `cpu`."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said by `check_device`
        numbers = range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    sizes = [torch.cuda.get_device_properties(number).total_memory / 2**30 for number in numbers]
    return preset_for(min(sizes, default=0.0))


def preset_for(gib: float) -> PresetName:
    """Return the preset for a GPU by its memory in GiB; 0: there is none."""
    return next((name for name, least in _PRESETS if gib >= least), "cpu")


def check_preset() -> Finding:
    """Tell which preset fits, and how to give it."""
    preset = fitting_preset()
    return Finding("preset", "ok", preset, f"terrabalance run DATA --preset {preset}")
