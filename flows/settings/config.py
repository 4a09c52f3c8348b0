"""The whole of a run's settings: the rooms' own models, composed once."""

import re
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema

from augment.catalogue.config import ScanConfig, SplitConfig
from augment.config import (
    BaseConfig,
    PlanConfig,
    SamplingConfig,
    ScreeningConfig,
    TrainingConfig,
)
from augment.network.config import GeneratorConfig
from classifier.config import ClassifierConfig
from classifier.feature_network import FeatureConfig
from flows.settings.addresses import is_address, mirror_of, placed
from flows.settings.execution import ExecutionConfig
from flows.settings.form import form_of
from flows.settings.messages import sentences
from flows.settings.presets import PRESETS, PresetName, merge
from flows.settings.reading import parse_setting, read_toml, without_none
from terrabalance.errors import BadInput
from terrabalance.files import fingerprint, slug
from terrabalance.settings import (
    LONGEST_PATH,
    AbsolutePath,
    DeviceName,
    Seed,
    Settings,
    absolute_path,
)
from terrabalance.wording import shown

S = TypeVar("S", bound=Settings)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  # as `slug` gives them
# Where, by whom and under which name, not what.
_NOT_RESULT = {"device", "workdir", "storage", "catalogue", "name", "execution"}


class RunConfig(Settings):
    """Everything that a run needs. Also the parameter form of the Prefect deployments."""

    data: AbsolutePath = Field(
        description="folder with one subfolder a class, a zip or tar of one, or a CSV with the "
        "columns path, class and optionally split"
    )
    images: AbsolutePath | None = Field(
        None, description="folder that a CSV's paths are relative to; none: found by itself"
    )
    workdir: AbsolutePath = Field(
        Path(),
        validate_default=True,
        description="folder that gets data/ and reports/, or an address as s3://bucket/folder, "
        "gs:// or az://, which several machines may share",
    )
    storage: str | None = Field(
        None,
        max_length=1024,
        description="the address that was given as workdir, which then is this machine's working "
        "copy below TERRABALANCE_CACHE; not to be given",
    )
    catalogue: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
        max_length=128,
        description="name of a finished folder below data/catalogues/, used instead of scanning "
        "data, which need not be on this machine then",
    )
    name: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="of the run; none: made from data and settings",
    )
    preset: PresetName = Field("cpu", description="starting point for what is not given here")
    seed: Seed = Field(
        0,
        description="the same seed gives the same result, on the same kind of machine with as many "
        "threads",
    )
    device: DeviceName = Field(
        "auto",
        description="auto: cuda, else mps, else cpu; cuda: every GPU; cuda:1: that one; "
        "cuda:1,cuda:2: those",
    )
    execution: ExecutionConfig = ExecutionConfig()
    drawn: bool = Field(
        False, description="the images are drawn, not real; every page then says so"
    )
    scan: ScanConfig = ScanConfig()
    split: SplitConfig = SplitConfig()
    plan: PlanConfig = PlanConfig()
    generator: GeneratorConfig = GeneratorConfig()
    strategy: Literal["warm-start", "conditional", "scratch"] = Field(
        "warm-start",
        description="warm-start: one base is trained on the train part of every class, with "
        "the class as a label, and each class's generator starts from its weights; conditional: "
        "the base itself draws every class; scratch: each class's generator starts from random "
        "weights",
    )
    base_from: str | None = Field(
        None,
        min_length=1,
        max_length=LONGEST_PATH,
        description="a finished base that is used as it is, so that only classes whose own images "
        "changed are trained; refused where it has learned images that are now in val or test: "
        "the name of its folder below data/generators/, or a path; none: a base is trained "
        "whenever any image changed",
    )
    base: BaseConfig = Field(BaseConfig(), description="how the base is trained")
    training: TrainingConfig = Field(
        TrainingConfig(), description="how each class's generator is trained"
    )
    sampling: SamplingConfig = SamplingConfig()
    screening: ScreeningConfig = ScreeningConfig()
    classifier: ClassifierConfig = ClassifierConfig()
    fidelity: FeatureConfig = FeatureConfig()

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        named = given.get("preset", "cpu")  # what is none is refused later
        preset = PRESETS.get(named, {}) if isinstance(named, str) else {}
        plain = {
            key: value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value
            for key, value in given.items()
        }
        plain = cls.with_current_names(plain)  # or a preset's name would count beside an older one
        named = plain.get("plan")
        if isinstance(named, dict) and named.get("classes") is not None and "rarest" not in named:
            # A preset may limit how many classes are filled; classes that are named are all meant.
            plain["plan"] = {**named, "rarest": None}
        return merge(preset, plain)

    @model_validator(mode="before")
    @classmethod
    def _mirror_the_store(cls, given: Any) -> Any:
        """Put the working copy where this machine has it, whichever wrote the settings."""
        if not isinstance(given, dict):
            return given
        workdir, address = given.get("workdir"), given.get("storage")
        written = str(workdir) if isinstance(workdir, str | Path) else ""
        if re.match(r"\w\w+:/(?!/)", written):  # as `Path` spells s3://bucket too
            raise ValueError(
                f"workdir: {shown(written)} is a path. Give an address as text, with both "
                "slashes, and a folder that is called so as ./..."
            )
        if is_address(workdir):
            address = workdir
        if not isinstance(address, str):
            return given
        try:
            folder, store = placed(address)
        except ValueError as error:
            place = "storage" if address is given.get("storage") else "workdir"
            raise ValueError(f"{place}: {error}") from error
        return {**given, "workdir": folder, "storage": store}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return the schema from which Prefect makes the parameter form."""
        return form_of(core, handler)

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Find the working copy of this machine; Ray sends settings between machines as pickles."""
        super().__setstate__(state)
        if self.storage is not None:
            self.__dict__["workdir"] = mirror_of(self.storage)

    @field_validator("base_from")
    @classmethod
    def _name_or_path(cls, base: str | None) -> str | None:
        if base is None or _PLAIN_NAME.fullmatch(base):
            return base
        if is_address(base):
            raise ValueError("give the name of the folder alone: it is looked for below workdir")
        return str(absolute_path(Path(base)))

    @model_validator(mode="after")
    def _has_use_for_the_base(self) -> "RunConfig":
        if self.base_from is not None and self.strategy != "warm-start":
            reason = {
                "conditional": "draws from a base that learns the images of this very run",
                "scratch": "starts from no base",
            }[self.strategy]
            raise ValueError(
                f"base_from: strategy={self.strategy} {reason}. Leave base_from out, or set "
                "strategy=warm-start"
            )
        if self.base.images is not None and (self.base_from or self.strategy == "scratch"):
            why = "base_from names a finished base" if self.base_from else "strategy=scratch"
            raise ValueError(f"base.images: {why}, so no base is trained. Leave one of them out")
        return self

    @model_validator(mode="after")
    def _can_be_called_so_often(self) -> "RunConfig":
        self.sampling.check_timesteps(self.generator.timesteps)
        return self

    @model_validator(mode="after")
    def _can_be_guided(self) -> "RunConfig":
        if self.sampling.guidance == 1:
            return self
        if self.strategy != "conditional":
            raise ValueError(
                f"sampling.guidance: with strategy={self.strategy} each class has a generator of "
                "its own, which has learned no image without its class to be guided by. Leave "
                "sampling.guidance out, or set strategy=conditional"
            )
        if self.base.label_dropout == 0:
            raise ValueError(
                "sampling.guidance: base.label_dropout=0 trains no image without its class, which "
                "guidance needs. Leave sampling.guidance out, or set base.label_dropout=0.1"
            )
        return self

    @property
    def result_key(self) -> str:
        """A short hash of all that decides the result."""
        return fingerprint(self.key(_NOT_RESULT))

    @property
    def deciding(self) -> dict[str, Any]:
        """All that decides the result, JSON-able, by the names of today."""
        return self.model_dump(mode="json", exclude=_NOT_RESULT)

    @property
    def device_here(self) -> str:
        """The device of this process: any, where others do the work that `device` is for."""
        return self.device if self.execution.runner == "local" else "auto"

    @property
    def run_name(self) -> str:
        """The folder-safe name of the run."""
        stem = self.data.name.split(".")[0]
        return slug(self.name or f"{slug(stem)}-{self.preset}-{self.result_key[:6]}")


def build_config(
    data: Path, config_file: Path | None, settings: list[str], options: dict[str, Any]
) -> RunConfig:
    """Compose a run from a TOML file, `key.sub=value` settings and options, the last ones winning.

    Args:
        data: the images.
        config_file: TOML with the fields of `RunConfig`, or None.
        settings: each `section.field=value`; the value is read as TOML, else as text.
        options: nested fields; those that are None are left out.

    Raises:
        BadInput: every wrong field with its name and reason, in one message.
    """
    given = read_toml(config_file) if config_file else {}
    for setting in settings:
        given = merge(given, parse_setting(setting))
    if "storage" in given:
        raise BadInput("storage: follows from workdir. Give the address as --workdir")
    if "data" in given:
        raise BadInput("data: is given as DATA on the command line. Take it out of the settings")
    try:
        return _checked(RunConfig, merge(given, without_none({**options, "data": data})))
    except BadInput as error:
        raise BadInput(f"{error} (`terrabalance settings` lists every setting)") from error


def parse_settings(model: type[S], settings: list[str]) -> S:
    """Build a settings model from `field=value` alone.

    Raises:
        BadInput: every wrong field with its name and reason, in one message.
    """
    given: dict[str, Any] = {}
    for setting in settings:
        given = merge(given, parse_setting(setting))
    return _checked(model, given)


def _checked(model: type[S], given: dict[str, Any]) -> S:
    try:
        return model(**given)
    except ValidationError as error:
        raise BadInput(sentences(model, error)) from error
