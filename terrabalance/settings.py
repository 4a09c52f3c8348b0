"""The base of every settings model: frozen, and a misspelt key is an error that names itself."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Frozen pydantic model that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
