"""What a report shows, in which order, and which notebook made it. Titles of figures lie with their functions."""

from dataclasses import dataclass

from foramen.figures import CAPTIONS


@dataclass(frozen=True)
class Entry:
    """A table or figure: its file's name, the notebook that makes it, a heading and how to read it."""

    name: str
    notebook: str
    title: str
    reading: str = ""


def _figures(notebook: str, *names: str) -> tuple[Entry, ...]:
    return tuple(Entry(name, notebook, *CAPTIONS[name]) for name in names)


RESULT_FIGURES = _figures(
    "06_evaluation",
    "roc",
    "precision_recall",
    "confusion",
    "reliability",
    "decision_curve",
    "gain_curves",
    "learning_curves",
    "subgroups",
)
GAINS_FIGURE = _figures("06_evaluation", "gains")
CHECK_FIGURES = _figures("06_evaluation", "saliency", "saliency_checks", "errors")
METHOD_FIGURES = (
    *_figures("01_data_audit", "cohort", "anatomy", "disease", "knobs"),
    *_figures("02_preprocessing", "equalization"),
    *_figures("03_augmentation", "flip", "random_changes"),
    *_figures("04_stn_training", "stn", "stn_ways"),
    *_figures("05_fine_tuning", "architecture"),
    *_figures("06_evaluation", "training_curves"),
)
TABLES = (
    Entry("results", "06_evaluation", "Every metric of every arm"),
    Entry("gains", "06_evaluation", "Gains over the reference, all arms and metrics"),
    Entry("baselines", "06_evaluation", "What is reached without looking, and, where known, at most"),
    Entry("steps", "06_evaluation", "What each step of the ladder adds"),
    Entry("factorial", "06_evaluation", "Effects and interactions of the factorial study"),
    Entry("gain_curves", "06_evaluation", "Gain against nuisance, and learning curves"),
    Entry("gain_trends", "06_evaluation", "How much a gain grows with its nuisance"),
    Entry("equal_specificity", "06_evaluation", "Sensitivity at the specificity of the reference"),
    Entry("detectable", "06_evaluation", "The smallest difference this test set can detect with 80 % power"),
    Entry("paired_tests", "06_evaluation", "Paired tests of single trained networks"),
    Entry("rank_swaps", "06_evaluation", "How often two arms swap rank between seeds"),
    Entry("subgroups", "06_evaluation", "Subgroups"),
    Entry("confusion", "06_evaluation", "Confusion matrices"),
    Entry("saliency", "06_evaluation", "Overlap of saliency maps with the true foramina"),
    Entry("saliency_cascade", "06_evaluation", "Saliency under randomisation"),
    Entry("errors", "06_evaluation", "The most confident errors"),
    Entry("errors_in_common", "06_evaluation", "What the errors have in common"),
    Entry("cohort", "01_data_audit", "Table 1: the cohort by split"),
    Entry("literature", "01_data_audit", "The synthetic anatomy beside the literature"),
    Entry("equalization", "02_preprocessing", "How much variation each contrast treatment leaves"),
    Entry("padding", "02_preprocessing", "What padding would do to equalization"),
    Entry("flip", "03_augmentation", "Can the side be read after the flip?"),
    Entry("stn_ways", "04_stn_training", "Ways of training the spatial transformer"),
)
