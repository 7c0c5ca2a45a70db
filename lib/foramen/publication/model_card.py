"""The card of the networks of the primary arm, in the form of the Hugging Face Hub (Mitchell et al. 2019)."""

from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from foramen.core.files import write_text
from foramen.publication import facts

#: Metrics of ours and as the Hub calls them.
METRICS = {
    "accuracy": "accuracy",
    "f1": "f1",
    "sensitivity": "recall",
    "specificity": "specificity",
    "auroc": "roc_auc",
}


def metadata(known: dict[str, Any]) -> ModelCardData:
    """The machine-readable head of the card: the estimates of the primary arm on the test set."""
    study, kind = known["study"], "synthetic" if known["synthetic"] else "own"
    rows = [row for row in known["tables"]["results"] if row["arm"] == study.plan.primary.arm]
    measured = [
        EvalResult(
            task_type="image-classification",
            dataset_type=f"{kind}-cervical-radiographs",
            dataset_name=f"{kind} cervical radiographs, study {study.name}",
            dataset_split="test",
            metric_type=METRICS[row["metric"]],
            metric_value=round(row["estimate"], 4),
        )
        for row in rows
        if row["metric"] in METRICS and row["estimate"] == row["estimate"]
    ]
    return ModelCardData(
        license="mit" if known["synthetic"] else "other",  # of the weights; a user's are for the user to license
        library_name="timm",
        tags=["radiography", "cervical-spine", "foraminal-stenosis", kind, "research-only"],
        metrics=list(METRICS.values()),
        model_name=f"foramen {study.name} {study.plan.primary.arm}",
        eval_results=measured or None,
    )


def write(known: dict[str, Any], path: Path) -> Path:
    """Write the card as Markdown; returns its path."""
    text = facts.environment(autoescape=False).get_template("model_card.md.j2").render(known)
    write_text(path, f"---\n{metadata(known).to_yaml()}\n---\n\n{text}\n")
    return path
