"""Whether the packages are there, fit one another and can be imported; which extras are there."""

import platform
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from flows.cli.checks.finding import Finding
from terrabalance import __version__

EXTRAS = ("geo", "ray", "s3", "gs", "az", "offline-weights")
_OURS = "terrabalance"
_BOTH_AGAIN = "pip install --force-reinstall torch torchvision"


def check_python() -> Finding:
    """Tell the versions of Python and of this package."""
    found = f"Python {platform.python_version()}, {_OURS} {__version__}"
    return Finding("python", "ok", found)


def check_torch() -> Finding:
    """Import torch, and a torchvision of the same build: one of another lacks its operators."""
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a shared library that cannot be loaded
        return Finding("torch", "broken", f"torch: {_first_line(error)}", _BOTH_AGAIN)
    try:
        from torchvision.ops import nms

        nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        found = f"torch {torch.__version__}, and a torchvision that is none for it"
        return Finding("torch", "broken", f"{found}: {_first_line(error)}", _BOTH_AGAIN)
    found = f"torch {torch.__version__}, torchvision {version('torchvision')}"
    return Finding("torch", "ok", found)


def check_packages() -> Finding:
    """Hold what is installed against what this package asks for, and import what trains."""
    name = "packages"
    asked = _asked()
    if asked is None:
        found = "terrabalance runs from a folder that is not installed: versions are not checked"
        return Finding(name, "warning", found, "pip install -e FOLDER")
    unmet = [one for one in asked if _is_for(one, "") and not _is_met(one)]
    if unmet:
        found = ", ".join(f"{one.name} {_version(one.name) or 'is missing'}" for one in unmet)
        wanted = " ".join(f"'{one.name}{one.specifier}'" for one in unmet)
        return Finding(name, "broken", f"do not fit: {found}", f"pip install {wanted}")
    for module in ("timm", "denoising_diffusion_pytorch"):
        try:
            import_module(module)
        except Exception as error:  # what the packages raise that these import in turn
            advice = f"pip install --force-reinstall {module}"
            return Finding(name, "broken", f"{module}: {_first_line(error)}", advice)
    told = ("timm", "denoising_diffusion_pytorch", "prefect")
    return Finding(name, "ok", ", ".join(f"{one} {version(one)}" for one in told))


def check_extras() -> Finding:
    """Tell which extras are installed; without one, a run can do all but what that is for."""
    asked = _asked() or []
    there = [
        extra
        for extra in EXTRAS
        if (parts := [one for one in asked if _is_for(one, extra) and not _is_for(one, "")])
        and all(map(_is_met, parts))
    ]
    missing = [extra for extra in EXTRAS if extra not in there]
    if "geo" in there:
        try:
            import rasterio  # noqa: F401
        except ImportError as error:  # GDAL's own libraries
            found = f"geo: rasterio cannot be imported ({_first_line(error)})"
            return Finding("extras", "warning", found, "pip install --force-reinstall rasterio")
    found = f"installed: {', '.join(there) or 'none'}; not: {', '.join(missing) or 'none'}"
    advice = f"where wanted: pip install '{_OURS}[{missing[0]}]'" if missing else ""
    return Finding("extras", "ok", found, advice)


def _asked() -> list[Requirement] | None:
    """Return what this package asks for, its extras too; None: it is not installed."""
    try:
        return [Requirement(text) for text in requires(_OURS) or ()]
    except PackageNotFoundError:
        return None


def _is_for(one: Requirement, extra: str) -> bool:
    return one.marker is None or one.marker.evaluate({"extra": extra})


def _is_met(one: Requirement) -> bool:
    found = _version(one.name)
    return found is not None and one.specifier.contains(found, prereleases=True)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
