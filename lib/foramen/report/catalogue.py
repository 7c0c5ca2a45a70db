"""What a report shows, in which order, in which words, and which notebook made it. Used by report.py."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A table or figure: its file's name, the notebook that makes it, a heading and how to read it."""

    name: str
    notebook: str
    title: str
    reading: str = ""


RESULT_FIGURES = (
    Entry(
        "roc",
        "06_evaluation",
        "ROC curves",
        "The further above the dashed diagonal of chance, the better. The dot is the operating point, whose "
        "threshold was chosen on the validation set.",
    ),
    Entry(
        "precision_recall", "06_evaluation", "Precision and sensitivity", "The dashed line is chance: the prevalence."
    ),
    Entry(
        "confusion",
        "06_evaluation",
        "Confusion matrices",
        "Rows are the truth and add up to 100 %. A system that guesses has two equal rows.",
    ),
    Entry(
        "reliability",
        "06_evaluation",
        "Calibration",
        "On the dashed diagonal, scores mean what they say: of the radiographs scored 0.7, 70 % are "
        "positive. Below each curve, how often each score is given.",
    ),
    Entry(
        "decision_curve",
        "06_evaluation",
        "Usefulness",
        "An arm helps where its net benefit lies above both treating all and treating none.",
    ),
    Entry(
        "gain_curves",
        "06_evaluation",
        "Gain against nuisance",
        "The same contrast where a nuisance, or what is named above a panel, is smaller or larger; 1 is this study's "
        "own. Where a nuisance is zero, a step that helps by removing it should gain nothing (dashed).",
    ),
    Entry(
        "learning_curves",
        "06_evaluation",
        "Learning curves",
        "Results against the number of radiographs learned from, with the same recipe and the same test set. Dashed: "
        "chance of the AUROC.",
    ),
    Entry(
        "subgroups",
        "06_evaluation",
        "Subgroups",
        "The dashed line is the arm on the whole test set. Many subgroups are looked at and few images are "
        "in each: an interval off the line is a question, not a finding.",
    ),
)
GAINS_FIGURE = (
    Entry(
        "gains",
        "06_evaluation",
        "Gains",
        "Squares and lines: the gain and its 95 % interval. Orange: the range that the paper claims for its "
        "method, on other data. Dashed: no gain.",
    ),
)
CHECK_FIGURES = (
    Entry(
        "saliency",
        "06_evaluation",
        "Saliency maps",
        "Where the network's features speak for the class it called, on test images chosen by rule. A map "
        "that looks right proves nothing by itself.",
    ),
    Entry(
        "saliency_checks",
        "06_evaluation",
        "Are the maps to be believed?",
        "A map that shows what was learned changes as the network is randomised. Where the true foramina are known (a "
        "synthetic cohort): do the maps find them better than an edge detector, the middle of the image, or the same "
        "network with its values shuffled?",
    ),
    Entry(
        "errors",
        "06_evaluation",
        "The most confident errors",
        "Chosen by rule: the test images that are furthest on the wrong side of the threshold, as many missed as "
        "called falsely where there are enough.",
    ),
)
METHOD_FIGURES = (
    Entry("cohort", "01_data_audit", "The cohort", "Drawn at random from each class and side."),
    Entry("anatomy", "01_data_audit", "From anatomy to radiograph", "One synthetic patient."),
    Entry("disease", "01_data_audit", "What stenosis looks like", "The same neck and pose, healthy and narrowed."),
    Entry("knobs", "01_data_audit", "What makes radiographs differ", "One synthetic neck, one cause at a time."),
    Entry(
        "equalization",
        "02_preprocessing",
        "Histogram equalization",
        "Each thin line is one radiograph's cumulative distribution of grey values; equalization brings "
        "them to the dashed line.",
    ),
    Entry(
        "flip",
        "03_augmentation",
        "Flip",
        "The canonical flip mirrors right views onto left, so that the network meets one side only. An arm whose flip "
        "is random mirrors either side by chance instead.",
    ),
    Entry("augmentation", "03_augmentation", "Random changes in training", ""),
    Entry(
        "stn",
        "04_stn_training",
        "Spatial transformer",
        "Orange: what the spatial transformer reads. Dashed: the fixed crop of the same magnification, "
        "which is its control.",
    ),
    Entry(
        "stn_ways",
        "04_stn_training",
        "Ways of teaching the spatial transformer",
        "Beside the fixed crop, the whole image and, where it is known, the true pose.",
    ),
    Entry(
        "architecture",
        "05_fine_tuning",
        "Architecture",
        "The path of one radiograph through the arm named in the notebook; height of a block is the side of "
        "its feature map, width its channels.",
    ),
    Entry(
        "training_curves", "06_evaluation", "Training", "Thin lines are seeds. Dashed: a network that knows nothing."
    ),
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
    Entry("stn_ways", "04_stn_training", "Ways of teaching the spatial transformer"),
)
