"""What every part of a study file has in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of a study file. An unknown key or a wrong type is a fault; defaults stand in the class."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
