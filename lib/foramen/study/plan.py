"""The analysis plan: what is compared with what, why, and with how many patients and seeds (notebooks 06 and 07).

It is the section `plan` of a study, best in a file of its own beside the study file, `<study>.plan.yaml`, so that the
commit of that file dates it. `prespecified` tells whether a report followed it.
"""

import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from foramen.core.files import digest
from foramen.study.section import Section

Metric = Literal["accuracy", "balanced_accuracy", "f1", "specificity", "sensitivity", "auroc"]
Points = Annotated[float, Field(gt=0, le=100)]
Text = Annotated[str, Field(min_length=10)]


def _iso(given: Any) -> Any:
    """A date from its text: YAML knows dates, JSON does not."""
    return datetime.date.fromisoformat(given) if isinstance(given, str) else given


class PrimaryContrast(Section):
    """The one comparison that is tested without correction."""

    arm: str = "proposed"
    metric: Metric = "accuracy"


class Families(Section):
    """Which p-values Holm corrects together: all of a table (the primary one apart), or those of each metric."""

    gains: Literal["together", "by_metric"] = "together"
    steps: Literal["together", "by_metric"] = "by_metric"


class SampleSize(Section):
    """How many patients and trainings, and why."""

    patients: int = Field(ge=1, description="of the whole cohort")
    seeds: int = Field(ge=1, description="trainings of each arm")
    detectable: Points = Field(description="true gain in the primary metric that is found with 80 % power, in points")
    reason: Text


class Deviation(Section):
    """What was done otherwise than planned, or known when it was planned; it does not change the plan's hash."""

    date: Annotated[datetime.date, BeforeValidator(_iso)]
    what: Text
    reason: Text


class Plan(Section):
    """What is compared with what. It is a plan where it has hypotheses; without them a report is exploratory."""

    question: str = ""
    hypotheses: list[Text] = Field([], description="each with the comparison that answers it")
    reference: str = Field("basic", description="gains are over this arm")
    primary: PrimaryContrast = PrimaryContrast()
    steps: list[list[str]] = Field([], description="[arm, arm before it]: the steps of the ladder")
    metrics: list[Metric] = Field(
        ["accuracy", "f1", "specificity", "sensitivity", "auroc"],
        min_length=1,
        description="what the families are made of; tests of other metrics are exploratory",
    )
    families: Families = Families()
    margin: dict[Metric, Points] = Field({}, description="of equivalence, in points either way")
    smallest_effect: Points | None = Field(None, description="of interest, in points of the primary metric")
    sample_size: SampleSize | None = None
    resamples: int = Field(2000, ge=100, le=100000, description="bootstrap resamples of patients")
    seed: int = Field(0, ge=0, description="of the resamples")
    deviations: list[Deviation] = []
    file: str = Field("", description="where it stands, if in a file of its own; written by `loading`")

    @property
    def analysis(self) -> dict[str, Any]:
        """What results depend on and what must not change once they are known."""
        return self.model_dump(mode="json", exclude={"deviations", "file"})

    @property
    def hash(self) -> str:
        """Twelve hex digits that change with the plan, not with its deviations; nothing where there is no plan."""
        return digest(self.analysis) if self.hypotheses else ""

    @property
    def missing(self) -> list[str]:
        """Keys that a plan with hypotheses needs and has not."""
        needed = ("question", "margin", "smallest_effect", "sample_size")
        return [name for name in needed if not getattr(self, name)] if self.hypotheses else []
