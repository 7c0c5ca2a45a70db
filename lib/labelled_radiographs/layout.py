"""Where labelled radiographs lie, and how their table is written: what an adapter is given."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Label = Annotated[int, Field(ge=0, le=1)]


class Layout(BaseModel):
    """A user's own radiographs: a table with one row an image, or a published data set's folder."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    path: str = Field("", description="CSV, TSV, Excel or parquet table; for some adapters a folder")
    adapter: str = Field("general", description="general, vindr_spinexr, csxa, example, or a Python file of your own")
    images: str = Field("", description="folder that image paths are relative to; empty: the table's own folder")
    columns: dict[str, str] = Field({}, description="our column name: the table's column name, where they differ")
    labels: dict[str, Label] = Field({}, description="label text: 0 or 1, where labels are not 0/1 or yes/no")
    readers: Literal["any", "majority", "all"] = Field("majority", description="how several readers make one label")
