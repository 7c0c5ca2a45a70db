"""The base of every section of a study file: typed, strict, immutable."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of a study file. An unknown key or a wrong type is a fault; defaults stand in the class."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
