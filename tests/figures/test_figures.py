"""Figures: drawn from the data, said in words, the same bytes each time."""

import inspect

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from cervical_phantom.parameters import SyntheticCohort
from diagnostic_accuracy import curves, variance
from foramen import figures
from foramen.figures import drawing, stn_training
from foramen.figures.drawing import balanced, in_words, listing
from foramen.figures.style import BLUE, ORANGE, PALETTE
from foramen.study.model import Arm, Run, Study

ARMS = ("basic", "he", "proposed")
STAGES = [
    {"num_chs": channels, "reduction": reduction}
    for channels, reduction in ((64, 2), (256, 4), (512, 8), (1024, 16), (2048, 32))
]


def run_of(arm: Arm) -> Run:
    """A training of this arm in an otherwise ordinary study."""
    return (
        Study.model_validate({"name": "drawn", "arms": {"arm": {}}})
        .model_copy(update={"arms": {"arm": arm}})
        .run("arm", 1)
    )


def predictions(patients: int = 60, seed: int = 0) -> pd.DataFrame:
    """Two images a patient, two seeds; later arms are better."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.random(patients) < 0.5, 2).astype(int)
    rows = []
    for skill, arm in enumerate(ARMS):
        for run in (1, 2):
            noise = rng.normal(size=len(labels))
            rows.append(
                pd.DataFrame(
                    {
                        "image_id": [f"i{k:03d}" for k in range(len(labels))],
                        "patient_id": [f"p{k // 2:03d}" for k in range(len(labels))],
                        "split": np.where(np.arange(len(labels)) < 20, "val", "test"),
                        "arm": arm,
                        "seed": run,
                        "label": labels,
                        "score": 1 / (1 + np.exp(-((2 * labels - 1) * (0.5 + skill) + noise))),
                    }
                )
            )
    return pd.concat(rows, ignore_index=True)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return predictions()


@pytest.fixture(scope="module")
def drawn(frame) -> dict[str, Figure]:
    """One figure of each kind, from made-up data."""
    plt.close("all")  # other tests' figures
    rng = np.random.default_rng(1)
    images = rng.integers(0, 65535, (8, 32, 32), dtype=np.uint16)
    rows = pd.DataFrame(
        {
            "image_id": [f"i{k}" for k in range(8)],
            "patient_id": [f"p{k // 2}" for k in range(8)],
            "label": [0, 0, 1, 1] * 2,
            "side": ["L", "R"] * 4,
            "score": np.linspace(0.05, 0.95, 8),
            "rule": "true positive",
        }
    )
    boxes = np.tile([2, 2, 30, 30], (8, 1))
    theta = np.tile([[0.5, 0.0, 0.1], [0.0, 0.5, 0.0]], (8, 1, 1))
    masks = np.zeros((8, 32, 32), bool)
    masks[:, 10:14, 10:14] = True
    table = curves.confusion(frame)
    components = pd.concat(
        variance.components(rng.normal(size=(2, 2, 2, 2)), 100).assign(result=name, metric="accuracy")
        for name in ("basic", "proposed", "proposed over basic")
    )
    swept = pd.DataFrame(
        [
            (name, factor, "he", "basic", metric, 4 * factor, 4 * factor - 2, 4 * factor + 2)
            for name in ("exposure", "laterality")
            for factor in (0.0, 1.0)
            for metric in ("accuracy", "auroc")
        ],
        columns=["sweep", "factor", "arm", "reference", "metric", "gain", "low", "high"],
    )
    learned = pd.DataFrame(
        [
            ("proposed", "basic", metric, n, 0.6 + n / 1e4, 0.55, 0.8, 0.55 + n / 1e4, 0.5, 0.7)
            for n in (500, 1000, 2000)
            for metric in ("accuracy", "auroc")
        ],
        columns=[
            "arm", "reference", "metric", "n_train", "estimate", "estimate_low", "estimate_high",
            "reference_estimate", "reference_low", "reference_high",
        ],
    )  # fmt: skip
    history = pd.DataFrame(
        [(arm, seed, e, 0.7 - 0.1 * e, 0.7, 0.5 + 0.1 * e) for arm in ARMS for seed in (1, 2) for e in (1, 2, 3)],
        columns=["arm", "seed", "epoch", "train_loss", "val_loss", "val_auroc"],
    )
    gains = pd.DataFrame(
        [("he", "accuracy", 1.0, -1.0, 3.0, 0.3, None, None), ("proposed", "accuracy", 6.0, 4.0, 8.0, 0.01, 5.3, 6.9)],
        columns=["arm", "metric", "gain", "low", "high", "p_value", "paper_low", "paper_high"],
    )
    subgroups = pd.DataFrame(
        [("L", 5.0, 1.0, 9.0, 2.0, -4.0, 8.0), ("R", 3.0, -1.0, 7.0, None, None, None)],
        columns=["value", "gain", "low", "high", "interaction", "interaction_low", "interaction_high"],
    ).assign(metric="accuracy", subgroup="side", n_images=50)
    mistakes = pd.DataFrame(
        [("copies", "AUROC", 99.0, 76.0, 75.0, 23.0, 16.0, 30.0), ("one seed", "AUROC", 1, 1, 1, 0, -1, 1)],
        columns=["pitfall", "metric", "wrong", "right", "truth", "inflation", "low", "high"],
    )
    places = pd.DataFrame({"x": 0.0, "y": [0.0, 0.1, 0.2], "half": 0.4, "confidence": [0.9, 0.8, 0.3]})
    places = places.assign(detected=places["confidence"] > 0.5, given=[True, False, False])
    overlap = pd.DataFrame(
        [
            ("basic", "Grad-CAM layer4", "pointing_game", 0.5, 0.4, 0.6, 0.1),
            ("", "edge detector", "pointing_game", 0.2, 0.1, 0.3, 0.1),
        ],
        columns=["arm", "method", "measure", "estimate", "low", "high", "chance"],
    )
    cascade = pd.DataFrame(
        [("basic", stage, 0.9, 0.8, 1.0) for stage in ("nothing", "head", "stem")],
        columns=["arm", "randomised", "similarity", "low", "high"],
    )
    ways = pd.DataFrame(
        {"way": ["crop", "joint"], "det": [0.3, 0.9], "outside": [0.0, 0.4], "collapsed": [False, True]}
    )
    drawn_curves = {
        "roc": curves.roc(frame, 20),
        "precision_recall": curves.precision_recall(frame, 20),
        "reliability": curves.reliability(frame, resamples=20),
        "decision": curves.decision(frame, 20),
    }
    stations = {
        "basic": figures.Station("region", images[1], theta[:1], images[2:3, :16, :8], 0.4, 1.5),
        "proposed": figures.Station("STN frame", images[1], theta[:2], images[2:4, :8, :8], 0.9, np.nan),
    }
    measured = pd.DataFrame(
        {"arm": ["basic", "proposed"], "estimate": [0.7, 0.8], "low": [0.55, 0.7], "high": [0.97, 0.9]}
    )
    lines = {"metadata only": 0.6, "label-noise ceiling": 0.95}
    points = pd.DataFrame(
        [
            ("basic", 60, 70, np.nan, np.nan, "step"),
            ("proposed", 70, 69, -3, 1, "step"),
            ("opening alone", 69, 90, np.nan, np.nan, "gap"),
        ],
        columns=["what", "start", "end", "low", "high", "kind"],
    )
    interval = {"estimate": 0.5, "low": 0.4, "high": 0.6}
    read = (*ARMS, "signs and age", "label-noise ceiling")
    follows = pd.DataFrame([{"arm": a, "fact": f, **interval} for a in read for f in ("signs", "narrowness", "age")])
    fifths = pd.DataFrame([{"arm": a, "fifth": i, **interval} for a in read for i in range(1, 6)])
    grades = pd.DataFrame([{"arm": a, "grade": i, **interval} for a in read for i in range(4)])
    arm, cohort = Arm(equalization="global", flip="canonical", stn="joint"), SyntheticCohort(patients=2)
    return {
        "cohort": figures.cohort(images, rows, n=2),
        "regions": figures.regions(images[:3], places),
        "equalization": figures.equalization(images, {"global": (images // 257).astype(np.uint8)}, boxes),
        "one_equalization": figures.one_equalization(*(images[:2] // 257).astype(np.uint8), boxes[0]),
        "flip": figures.flip(
            images[:4], np.stack([images[0], images[1][:, ::-1], images[2], images[3][:, ::-1]]), rows[:4]
        ),
        "random_changes": figures.random_changes(images[0] / 65535, images[:3] / 65535),
        "stn": figures.stn(images[:3], images[:3, None], theta[:3], theta[0], theta),
        "sampling": figures.sampling(images[0], images[1], theta[0]),
        "turned_back": figures.turned_back(dict.fromkeys("abcd", images[:3]), np.array([10.0, -5.0, 0.0])),
        "stn_ways": figures.stn_ways({"crop": images[:3], "joint": images[:3]}, ways),
        "saliency": figures.saliency(
            images[:2], {"Grad-CAM": np.stack([masks[0] * 1.0, masks[0] * 0.0])}, masks[:2], rows[:2]
        ),
        "saliency_checks": figures.saliency_checks(overlap, cascade),
        "score_follows": figures.score_follows(follows, fifths, grades, ARMS[:2]),
        "errors": figures.errors(images[:3], rows[:3]),
        "architecture": figures.architecture(figures.architecture_steps(run_of(arm), STAGES)),
        "formula_images": figures.formula_images(rng.random((2, 3, 16, 16))),
        "anatomy": figures.anatomy(cohort, size=96),
        "disease": figures.disease(cohort, size=96),
        "knobs": figures.knobs(cohort, patient=0, size=64),
        "one_cycle_curve": figures.one_cycle_curve(np.linspace(0, 1, 5), np.array([0.1, 1.0, 0.7, 0.2, 0.0]), 0.25),
        "training_curves": figures.training_curves(history),
        "roc": figures.roc(curves.roc(frame, 50), table),
        "precision_recall": figures.precision_recall(curves.precision_recall(frame, 50), table, 0.5),
        "confusion": figures.confusion(table),
        "reliability": figures.reliability(curves.reliability(frame, resamples=50), frame[frame["split"] == "test"]),
        "decision_curve": figures.decision_curve(curves.decision(frame, 50), 0.5),
        "gains": figures.gains(gains),
        "performance": figures.performance(drawn_curves, 0.5, ARMS),
        "overview": figures.overview(images[0], np.array([0.0, 0.0, 0.4]), stations, measured, lines, 240.0),
        "waterfall": figures.waterfall(points),
        "variance": figures.variance(components, swept),
        "gain_curves": figures.gain_curves(swept),
        "learning_curves": figures.learning_curves(learned),
        "subgroups": figures.subgroups(subgroups, 4.0),
        "inflation": figures.inflation(mistakes),
        "optimism": figures.optimism(mistakes.assign(patients=[16, 127])),
    }


def test_the_first_picture_shows_every_interval_to_its_end(drawn):
    for cell in drawn["overview"].axes[-3:]:  # a legend and two arms, of which the first has the widest interval
        low, high = cell.get_ylim()
        assert low < 55 and high > 97


def test_a_study_without_an_estimable_gain_has_a_figure_that_says_so():
    nothing = pd.DataFrame({"arm": ["he"], "metric": ["accuracy"], "gain": [np.nan]})
    assert "No gain over basic is estimable" in figures.gains(nothing.assign(low=np.nan, high=np.nan)).get_label()


def test_what_is_worth_nothing_and_what_was_not_measured_can_be_told(drawn):
    words = drawn["inflation"].get_label()
    assert "2 pitfalls" in words and "copies +23.0" in words
    nothing = pd.DataFrame(
        [("one seed", "AUROC", *[np.nan] * 3)], columns=["pitfall", "metric", "inflation", "low", "high"]
    )
    assert "none measured" in figures.inflation(nothing).get_label()


def test_mistakes_stand_under_the_metric_of_their_points():
    rows = [("a", "AUROC", 5.0), ("b", "power", 9.0), ("c", "AUROC", -2.0)]
    table = pd.DataFrame(rows, columns=["pitfall", "metric", "inflation"])
    figure = figures.inflation(table.assign(low=table["inflation"] - 1, high=table["inflation"] + 1))
    axes = figure.axes[0]
    names = sorted(zip(axes.get_yticks(), axes.get_yticklabels(), strict=True), key=lambda pair: pair[0])
    assert [label.get_text() for _, label in names] == ["power", "b", "AUROC", "a", "c"]
    assert [label.get_text() for _, label in names if label.get_fontweight() == "bold"] == ["power", "AUROC"]
    assert axes.get_ylim() == (4.7, -0.7)  # from the top down


def test_subgroups_have_readers_names_and_no_gain_beyond_all():
    row = {
        "subgroup": "severity",
        "value": "2",
        "metric": "accuracy",
        "n_images": 9,
        "gain": 4.0,
        "low": -150,
        "high": 158,
    }
    row |= {"interaction": 1.0, "interaction_low": -3.0, "interaction_high": 5.0}
    axes = figures.subgroups(pd.DataFrame([row]), 4.0).axes
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["worst true grade: 2 (9)"]
    assert axes[0].get_xlim() == (-100, 100) and axes[1].get_xlim()[1] < 10


def test_a_pose_that_is_none_has_no_sign_of_its_own():
    theta = np.array([[[1.0, 1e-4, -1e-4], [-1e-4, 1.0, -1e-4]]] * 2)
    images = np.zeros((2, 16, 16))
    figure = figures.stn(images, images[:, None], theta, theta[:1], theta)
    words = [axes.get_xlabel() for axes in figure.findobj(plt.Axes) if "°" in axes.get_xlabel()]
    assert words == ["+0°, ×1.00\n(+0.00, +0.00)"] * 2


def test_every_figure_is_drawn_here_exported_and_has_a_caption(drawn):
    captions = {name: figures.CAPTIONS[name] for name in figures.__all__ if name in figures.CAPTIONS}
    assert set(captions) == set(drawn)  # what another package draws with a caption has its own tests
    for name, (title, reading) in captions.items():
        assert title and reading.endswith((".", "?")), name
        assert not inspect.ismodule(getattr(figures, name)), name


def test_figures_have_words_and_leave_nothing_open(drawn):
    for name, figure in drawn.items():
        assert len(figure.get_label()) > 60, name
        assert "nan" not in figure.get_label().lower(), name
    assert plt.get_fignums() == []


def test_figures_fit_a_page_and_keep_a_legible_size(drawn):
    for name, figure in drawn.items():
        assert figure.get_size_inches()[0] <= 7.3, name
        sizes = [text.get_fontsize() for text in figure.findobj(plt.Text) if text.get_text().strip()]
        assert min(sizes) >= 6, name


def test_saving_twice_gives_the_same_bytes(frame, tmp_path):
    table = curves.confusion(frame)
    for folder in ("a", "b"):
        figures.save(figures.roc(curves.roc(frame, 20), table), tmp_path / folder, "roc")
    for suffix in ("svg", "png", "txt"):
        first, second = ((tmp_path / folder / f"roc.{suffix}").read_bytes() for folder in "ab")
        assert first == second and first
    text = (tmp_path / "a" / "roc.txt").read_text().strip()
    svg = (tmp_path / "a" / "roc.svg").read_text()
    assert text.split(";")[0][:40] in svg and "<dc:date>" not in svg


def test_a_figure_with_radiographs_is_stored_once(tmp_path):
    image = np.random.default_rng(0).random((40, 40))
    figures.save(figures.random_changes(image, image[None]), tmp_path, "one")
    assert {path.name for path in tmp_path.iterdir()} == {"one.png", "one.txt"}


def test_a_figure_without_words_is_refused(tmp_path):
    with pytest.raises(ValueError, match="alternative text"):
        figures.save(Figure(), tmp_path, "empty")
    assert not list(tmp_path.iterdir())


def test_notebook_gets_picture_alternative_text_and_caption(drawn, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda what, **how: shown.append((what, how)))
    drawn["roc"]._ipython_display_()
    (data, how), (below, _) = shown
    assert data["image/png"].startswith("iVBOR")
    assert how["metadata"]["image/png"]["alt"] == drawn["roc"].get_label()
    assert below.data == "**ROC curves** " + figures.CAPTIONS["roc"].reading


def test_what_the_transformer_makes_of_a_radiograph_is_called_input_as_in_the_notebook(drawn):
    rows = {axes.get_ylabel() for axes in drawn["stn"].findobj(plt.Axes)}
    assert {"radiograph", "input"} <= rows and "output" not in rows


def test_words_are_read_from_the_data(frame, drawn):
    row = curves.confusion(frame).set_index("arm").loc["proposed"]
    sensitivity = row.tp / (row.tp + row.fn)
    assert f"proposed {sensitivity:.2f} and" in drawn["roc"].get_label()
    assert "2 mirrored, 2 unchanged" in drawn["flip"].get_label()
    assert "1 of 2 maps are zero everywhere" in drawn["saliency"].get_label()
    assert "proposed +6.0 (+4.0 to +8.0)" in drawn["gains"].get_label()
    assert "other data" in drawn["gains"].get_label()
    assert "2048 × 3 × 3" in drawn["architecture"].get_label()
    assert "magnification 2.00" in drawn["stn"].get_label()
    assert "exposure, accuracy: +0.0 at 0 and +4.0 at 1" in drawn["gain_curves"].get_label()
    assert (
        "AUROC of proposed 0.65 with 500, 0.70 with 1,000 and 0.80 with 2,000" in drawn["learning_curves"].get_label()
    )


def test_a_scale_bar_is_as_long_as_it_says():
    image = np.zeros((60, 40))
    figure = figures.errors(image[None], pd.DataFrame({"image_id": ["i"], "label": [0], "score": [0.9]}), 120.0)
    (bar,) = figure.axes[0].lines
    assert np.ptp(bar.get_xdata()) == pytest.approx(20 / 120 * 60)  # mm of 120 over 60 pixels
    unknown = figures.errors(image[None], pd.DataFrame({"image_id": ["i"], "label": [0], "score": [0.9]}))
    assert not unknown.axes[0].lines


def test_a_study_that_changes_nothing_at_random_says_so_beside_the_pictures(drawn):
    assert "An example only" in drawn["random_changes"].get_supxlabel()
    image = np.zeros((8, 8))
    assert figures.random_changes(image, image[None], ["shift"]).get_supxlabel() == "Changed at random: shift."


def test_gains_leave_out_what_is_no_step_of_the_plan():
    rows = [(arm, "accuracy", 1.0, 0.0, 2.0, np.nan, np.nan) for arm in ("frozen", "he")]
    table = pd.DataFrame(rows, columns=["arm", "metric", "gain", "low", "high", "paper_low", "paper_high"])
    ticks = [text.get_text() for text in figures.gains(table, "basic", [["he", "basic"]]).axes[0].get_yticklabels()]
    assert ticks == ["he"]


def test_the_architecture_says_what_transforms_an_arms_image():
    titles = {"none": "no spatial transformer", "crop": "fixed crop ×1.8", "joint": "spatial transformer (joint)"}
    for way, title in titles.items():
        figure = figures.architecture(figures.architecture_steps(run_of(Arm(stn=way)), STAGES))
        texts = " ".join(" ".join(text.get_text().split()) for text in figure.findobj(plt.Text))
        assert title in texts and title in figure.get_label(), way


def test_the_architecture_says_which_stages_are_trained():
    steps = {step.title: step.kind for step in figures.architecture_steps(run_of(Arm(trainable="layer3")), STAGES)}
    assert [steps[f"ResNet50 {name}"] for name in ("stem", "layer2", "layer3")] == ["frozen", "frozen", "trained"]
    assert steps["flip"] == "omitted"
    head = figures.architecture_steps(run_of(Arm(trainable="head")), STAGES)
    assert {step.kind for step in head if step.title.startswith("ResNet50")} == {"frozen"}


def test_the_architecture_says_what_is_seen_of_the_film_and_in_which_shape():
    arm = Arm(region="detected", stn="self_supervised", heads=4, input=[48, 24])
    steps = {step.title: step.detail for step in figures.architecture_steps(run_of(arm), STAGES)}
    assert steps["radiograph"] == "160 × 160" and steps["region"] == "detected\n128 × 128"
    assert steps["spatial transformer (self supervised)"] == "64 × 64 →\n4 × 48 × 24"
    assert steps["ResNet50 layer2"] == "512 ×\n6 × 3" and "mean, attention, linear, sigmoid" in steps
    plain = {step.title: step.kind for step in figures.architecture_steps(run_of(Arm()), STAGES)}
    assert plain["region"] == "omitted"


def test_every_head_of_a_transformer_has_its_frame():
    images, theta = np.zeros((2, 32, 32)), np.zeros((2, 4, 2, 3))
    theta[..., 0, 0] = theta[..., 1, 1] = 0.25
    theta[:, :, 1, 2] = [-0.5, -0.2, 0.2, 0.5]
    figure = figures.stn(images, np.zeros((2, 4, 8, 8)), theta, theta[0], theta)
    pictures = [axes for axes in figure.findobj(plt.Axes) if axes.images]
    assert [len(axes.lines) for axes in pictures[:2]] == [8, 8]  # four frames and their references
    assert pictures[2].images[0].get_array().shape == (32, 8)  # the crops, one below the other
    assert "magnification 4.00" in figure.get_label()


def test_chance_lines_stand_in_the_curves(drawn):
    for name in ("roc", "precision_recall", "reliability"):
        panels = [axes for axes in drawn[name].axes if axes.get_title()]
        assert len(panels) == len(ARMS)
        assert all("chance" in [line.get_label() for line in axes.lines] for axes in panels), name
    labels = {line.get_label() for axes in drawn["decision_curve"].axes for line in axes.lines}
    assert {"treat all", "treat none"} <= labels


def test_palette_is_told_apart_in_grey():
    def lightness(colour):
        channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    assert abs(lightness(BLUE) - lightness(ORANGE)) > 0.25
    assert len(set(PALETTE)) == len(PALETTE)


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (4, 4), (5, 3), (6, 3), (7, 4), (9, 3)])
def test_panels_fill_their_rows(count, columns):
    assert balanced(count, 4) == columns


def test_listing():
    assert listing(["a"]) == "a"
    assert listing(iter("abc")) == "a, b and c"


def test_rows_in_words():
    table = pd.DataFrame({"arm": ["he", "proposed"], "gain": [1.04, -6.0]})
    assert in_words(table, "{arm} {gain:+.1f}") == "he +1.0 and proposed -6.0"


def test_transform_words_undo_a_known_transform():
    angle, zoom = np.radians(12.0), 1.6
    cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
    words = stn_training.transform_words(np.array([[cos, -sin, 0.2], [sin, cos, -0.1]]))
    assert words == pytest.approx((12.0, zoom, 0.2, -0.1))


def test_frame_of_the_identity_is_the_image():
    outline = drawing.frame(np.array([[1, 0, 0], [0, 1, 0]]), 10)
    assert outline.min() == -0.5 and outline.max() == 9.5


def test_photographs_keep_their_colours(drawn, tmp_path):
    figures.save(drawn["stn"], tmp_path, "stn")
    with Image.open(tmp_path / "stn.png") as image:
        colours = {colour[:3] for _, colour in image.convert("RGB").getcolors(2**24)}
    assert {tuple(int(ORANGE[i : i + 2], 16) for i in (1, 3, 5)), (255, 255, 255)} <= colours


def test_few_bytes_keep_the_picture(drawn, tmp_path):
    figures.save(drawn["confusion"], tmp_path, "confusion")
    with Image.open(tmp_path / "confusion.png") as image:
        assert image.mode == "P" and image.size[0] > 1000
