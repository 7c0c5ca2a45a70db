"""The study file: one strict, typed model of everything a study can be told. Used by every notebook.

`load` reads a YAML file of `params/`, applies overrides from the command line and refuses whatever is
unknown, of the wrong type or impossible, with all faults at once. Sections are in the order of the notebooks.
"""

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, ValidationError, field_validator

from cervical_phantom.parameters import SyntheticCohort
from foramen.core import paths
from foramen.core.errors import InputError
from foramen.core.files import digest, digest_file
from foramen.study import faults as study_faults
from foramen.study.section import Section

Equalization = Literal["none", "minmax", "global", "clahe"]
Flip = Literal["none", "random", "canonical"]
Stn = Literal["none", "crop", "identity", "joint", "self_supervised", "true_pose"]
Initialisation = Literal["random", "pretrained"]
Trainable = Literal["head", "layer4", "layer3", "layer2", "layer1", "all"]
Share = Annotated[float, Field(gt=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]

# The ways of training the STN that need a localisation network taught before fine-tuning.
TAUGHT_STN = ("self_supervised", "true_pose")


def _absolute(path: str) -> str:
    """A path that exists where the study is started, made absolute: notebooks run in another folder."""
    given = Path(path).expanduser()
    return str(given.resolve()) if path and given.exists() else path


OwnPath = Annotated[str, AfterValidator(_absolute)]


class ManifestCohort(Section):
    """A reader's own radiographs: a table with one row an image, or a published data set's folder."""

    path: OwnPath = Field("", description="CSV, TSV, Excel or parquet table; for some adapters a folder")
    adapter: Annotated[str, AfterValidator(lambda name: _absolute(name) if name.endswith(".py") else name)] = Field(
        "general", description="general, vindr_spinexr, csxa, example, or a Python file of your own"
    )
    images: OwnPath = Field("", description="folder that image paths are relative to; empty: the table's own folder")
    columns: dict[str, str] = Field({}, description="our column name: the table's column name, where they differ")
    labels: dict[str, int] = Field({}, description="label text: 0 or 1, where labels are not 0/1 or yes/no")
    readers: Literal["any", "majority", "all"] = Field("majority", description="how several readers make one label")
    side_dependent_label: bool = Field(False, description="does a mirrored radiograph have another label?")
    unreadable_share: float = Field(0.0, ge=0, lt=1, description="share of images that may be left out as unreadable")

    @field_validator("labels")
    @classmethod
    def _binary(cls, value: dict[str, int]) -> dict[str, int]:
        if set(value.values()) - {0, 1}:
            raise ValueError("labels stand for 0 or 1 only")
        return value

    @property
    def content(self) -> str:
        """Digest of the table, or of the names and sizes of a folder's files: a changed table makes a new
        cohort.
        """
        path = Path(self.path)
        if path.is_file():
            return digest_file(path)[:12]
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else []
        return digest([(str(p.relative_to(path)), p.stat().st_size) for p in files])


class Cohort(Section):
    """Where the radiographs come from and at which size they are kept (notebook 01)."""

    source: Literal["synthetic", "manifest"] = "synthetic"
    image_size: int = Field(160, ge=32, le=1024, description="side of the square, letterboxed image in pixels")
    synthetic: SyntheticCohort = SyntheticCohort()
    manifest: ManifestCohort = ManifestCohort()


class Split(Section):
    """The one split of the study, by patient, stratified by label (notebook 01)."""

    test: Share = Field(0.5, description="share of patients in the test set")
    validation: Share = Field(0.1, description="share of patients in the validation set")
    seed: int = Field(0, ge=0)


class Preprocessing(Section):
    """Parameters of the contrast treatments (notebook 02)."""

    clahe_clip_limit: float = Field(0.01, gt=0, le=1, description="scikit-image's clip_limit")
    clahe_tiles: int = Field(8, ge=1, le=64, description="tiles along each side of the valid area")


class Augmentation(Section):
    """Random changes of a training image, the same for every arm (notebook 03)."""

    rotation: float = Field(0.0, ge=0, le=45, description="up to this many degrees either way")
    shift: float = Field(0.0, ge=0, le=0.5, description="up to this share of the image side either way")
    zoom: float = Field(0.0, ge=0, le=0.5, description="up to this relative magnification either way")
    gain: float = Field(0.0, ge=0, le=0.9, description="up to this relative change of contrast either way")


class Region(Section):
    """What arms without crop or STN see of a film: a fixed region, the same for all (notebook 04)."""

    magnification: float = Field(
        1.0, ge=1, le=4, description="1: the whole film; 2: the region of half its side, so twice as large"
    )
    centre_down: float = Field(
        0.1,
        ge=-0.5,
        le=0.5,
        description="centre of region, crop and STN below the film's middle, in half image sides: the film is centred "
        "on C4, the foramina C3/4 to C6/7 on C5; without effect on a whole film",
    )


class StnParameters(Section):
    """The spatial transformer network (notebook 04). Bounds are those of its similarity transform."""

    magnification: float = Field(1.8, ge=1, le=4, description="of the fixed crop, and of the STN at its start")
    max_rotation: float = Field(20.0, ge=0, le=90, description="degrees")
    max_zoom: float = Field(1.35, ge=1, le=3, description="factor about the magnification, either way")
    max_shift: float = Field(0.35, ge=0, le=1, description="in half image sides")
    localisation_size: int = Field(
        64, ge=16, le=256, description="the localisation network sees the image at this size"
    )
    epochs: int = Field(12, ge=1, le=1000, description="of each round of teaching the localisation network")
    rounds: int = Field(
        3, ge=1, le=100, description="of teaching without truth; each starts from the last one's answers"
    )
    learning_rate: float = Field(1e-3, gt=0, le=1, description="of teaching the localisation network")
    joint_learning_rate: float = Field(
        1e-5, ge=0, le=1, description="of a taught localisation network during fine-tuning"
    )


class Pretraining(Section):
    """Where the weights of the arms with `initialisation: pretrained` come from (notebook 05)."""

    source: Literal["formula", "hub", "file"] = "formula"
    hub_name: str = Field("resnet50.tv_in1k", description="timm's name of the weights, for source hub")
    file: OwnPath = Field("", description=".safetensors or .pth with the weights of a ResNet50, for source file")
    classes: int = Field(60, ge=2, le=10000, description="iterated function systems to tell apart, for source formula")
    images: int = Field(14000, ge=1, description="formula-generated images seen in training")
    image_size: int = Field(64, ge=32, le=512)
    learning_rate: float = Field(1e-3, gt=0, le=1)
    seed: int = Field(0, ge=0)


class Arm(Section):
    """A named set of switches; everything else is shared by the arms."""

    description: str = ""
    equalization: Equalization = "none"
    flip: Flip = "none"
    stn: Stn = "none"
    initialisation: Initialisation = "pretrained"
    trainable: Trainable = Field(
        "all", description="head: only the last layer; layer3: from layer3 up; all: everything"
    )

    @property
    def localisation_key(self) -> str | None:
        """Name of the taught localisation network that this arm starts from; None where it needs none."""
        return f"{self.equalization}_{self.flip}_{self.stn}" if self.stn in TAUGHT_STN else None


class Training(Section):
    """The recipe of fine-tuning, the same for every arm (notebook 05)."""

    input_size: int = Field(96, ge=32, le=512, description="what the network sees, in pixels")
    epochs: int = Field(10, ge=1, le=1000)
    batch_size: int = Field(32, ge=2, le=1024)
    learning_rate: float = Field(3e-4, gt=0, le=1)
    head_factor: float = Field(
        5.0, gt=0, le=1000, description="learning rate of the last layer over that of the others"
    )
    layer_decay: float = Field(1.0, gt=0, le=1, description="factor of the learning rate per stage towards the input")
    weight_decay: float = Field(0.05, ge=0, le=1, description="on weights of more than one dimension only")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps with a rising learning rate")
    share: float = Field(
        1.0, gt=0, le=1, description="share of the training patients who are learned from (learning curves)"
    )
    unfreeze: int = Field(0, ge=0, description="epochs in which only the last layer trains, before the rest does")
    label_smoothing: float = Field(0.0, ge=0, lt=0.5)
    patience: int = Field(0, ge=0, description="epochs without a better validation loss before stopping; 0: never")
    precision: Literal["auto", "bf16", "fp32"] = Field("auto", description="auto: bf16 where the processor has it")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(1, ge=1, le=256, description="of one training; results depend on it")
    checkpoint_seconds: float = Field(60.0, ge=0, description="a checkpoint at the first epoch end after this time")


class Contrast(Section):
    """The one comparison that is tested without correction."""

    arm: str = "proposed"
    metric: Literal["accuracy", "f1", "specificity", "sensitivity", "balanced_accuracy", "auroc"] = "accuracy"


class Evaluation(Section):
    """What is compared with what (notebook 06)."""

    reference: str = Field("basic", description="gains are over this arm")
    primary: Contrast = Contrast()
    steps: list[list[str]] = Field([], description="[arm, arm before it]: the steps of the ladder")
    resamples: int = Field(2000, ge=100, le=100000, description="bootstrap resamples of patients")
    seed: int = Field(0, ge=0)
    external: dict[str, OwnPath] = Field({}, description="arm name: predictions table of another system")
    saliency_images: int = Field(8, ge=0, le=200, description="test images to explain, chosen by rule")


class Sweep(Section):
    """A curve: an arm and its control where some numbers of the study are larger or smaller (notebook 06)."""

    knobs: list[str] = Field(
        min_length=1, description="keys that are multiplied together, such as cohort.synthetic.positioning.tilt_sd_deg"
    )
    factors: list[Annotated[float, Field(ge=0, le=100)]] = Field(
        [0.0, 0.5, 1.5], min_length=1, description="of their values in this study; 1 is the study itself"
    )
    arm: str
    control: str = Field(description="the arm that lacks the one step that is looked at")


class Study(Section):
    """A whole study."""

    name: Name
    title: str = ""
    seeds: list[Annotated[int, Field(ge=0)]] = Field([1, 2, 3], min_length=1)
    cohort: Cohort = Cohort()
    split: Split = Split()
    preprocessing: Preprocessing = Preprocessing()
    augmentation: Augmentation = Augmentation()
    region: Region = Region()
    stn: StnParameters = StnParameters()
    pretraining: Pretraining = Pretraining()
    arms: dict[Name, Arm] = Field(min_length=1)
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    sweeps: dict[Name, Sweep] = Field(
        {}, description="studies that differ from this one in one nuisance of the cohort, or in one other number"
    )

    @property
    def paths(self) -> paths.StudyPaths:
        """Names of everything this study makes."""
        return paths.StudyPaths(self.name)

    @property
    def hash(self) -> str:
        """Twelve hex digits that change with any parameter."""
        return digest(self.model_dump())

    def pretraining_key(self, content: list[str]) -> str:
        """Name of the pre-trained weights; `content` holds the digest of the given weights file, where there
        is one.
        """
        return digest([self.stage("pretraining"), content])

    @property
    def equalizations(self) -> list[str]:
        """The contrast treatments that some arm asks for, `none` always among them."""
        return sorted({"none"} | {arm.equalization for arm in self.arms.values()})

    def stage(self, stage: str) -> dict[str, Any]:
        """The parameters that a stage depends on; its results are stale when one of them changes.

        Stages: `cohort`, `preprocessing`, `variant_<equalization>`, `augmentation`, `pretraining`, `stn`,
        `arm_<name>`, `evaluation`. A stage names only its own parameters: what it reads from an earlier
        stage, the workflow tracks as a file.
        """
        everything = self.model_dump(mode="json")
        if stage.startswith("arm_"):
            name = stage.removeprefix("arm_")
            switches = {k: v for k, v in everything["arms"][name].items() if k != "description"}
            parts = {
                "arm": switches,
                "augmentation": everything["augmentation"],
                "training": everything["training"],
                "region": everything["region"],
            }
            if self.arms[name].stn != "none":
                parts["stn"] = everything["stn"]
            if self.arms[name].initialisation == "pretrained":
                parts["pretraining"] = self._pretraining_parameters()
            return parts
        if stage == "cohort":
            cohort = everything["cohort"]
            source = cohort["source"]
            parts = {
                "source": source,
                "image_size": cohort["image_size"],
                source: cohort[source],
                "split": everything["split"],
            }
            if source == "manifest":
                parts["content"] = self.cohort.manifest.content
            return parts
        if stage.startswith("variant_"):
            name = stage.removeprefix("variant_")
            return {"equalization": name, **(everything["preprocessing"] if name == "clahe" else {})}
        if stage == "pretraining":
            return self._pretraining_parameters()
        if stage == "augmentation":
            return {"augmentation": everything["augmentation"], "flips": sorted({a.flip for a in self.arms.values()})}
        if stage == "stn":
            recipe = {key: everything["training"][key] for key in ("threads", "share")}
            return {"stn": everything["stn"], "region": everything["region"], **recipe}
        if stage == "evaluation":
            chosen = ("evaluation", "arms", "seeds", "sweeps")
            return {name: everything[name] for name in chosen}
        return everything[stage]

    def _pretraining_parameters(self) -> dict[str, Any]:
        """What the pre-trained weights depend on: the fields of the chosen source, and how a formula's are
        computed.
        """
        given = self.pretraining.model_dump(mode="json")
        if given["source"] != "formula":
            field = {"hub": "hub_name", "file": "file"}[given["source"]]
            return {"source": given["source"], field: given[field]}
        computed = {k: getattr(self.training, k) for k in ("precision", "device", "threads")}
        return {k: v for k, v in given.items() if k not in ("hub_name", "file")} | computed


def load(path: str | Path, overrides: list[str] | None = None) -> Study:
    """Read a study file; `overrides` are texts such as `training.epochs=3` (the value is YAML).

    Raises InputError that lists every fault with its key and, for an unknown key or value, the nearest valid
    one.
    """
    path = find(path)
    values = _parse(path)
    faults = _override(values, overrides or [])
    study = None
    try:
        study = Study.model_validate(values)
    except ValidationError as error:
        faults += [study_faults.explain(item, Study) for item in error.errors()]
    faults += study_faults.between_keys(values)
    if faults or study is None:
        raise InputError([f"{path}: {fault}" for fault in dict.fromkeys(faults)])
    return study


def find(path: str | Path) -> Path:
    """The study file at `path`, looked for from the working directory, then from the checkout."""
    for candidate in (Path(path), paths.ROOT / path):
        if candidate.is_file():
            return candidate
    known = sorted(str(p.relative_to(paths.ROOT)) for p in paths.PARAMS.glob("*.yaml"))
    near = difflib.get_close_matches(str(path), known, 1, 0.3)
    raise InputError(f"{path}: no such study file" + (f"; did you mean {near[0]}?" if near else ""))


def dump(study: Study) -> str:
    """The study as YAML with every value written out, for `runs/<study>/study.yaml`."""
    return yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


class _StudyLoader(yaml.SafeLoader):
    """YAML silently keeps the last of two equal keys; a study file must not."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue
            if key_node.value in seen:
                line = key_node.start_mark.line + 1
                raise yaml.constructor.ConstructorError(None, None, f"line {line}: key '{key_node.value}' stands twice")
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


# PyYAML follows YAML 1.1, in which 3e-4 is a text and only 3.0e-4 a number; readers of today expect a number.
_StudyLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _parse(path: Path) -> dict:
    """The values of a study file as they stand there."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_StudyLoader)  # a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError, OSError, RecursionError) as error:
        raise InputError(
            f"{path}: not readable as YAML: {study_faults.short(' '.join(str(error).split()), 300)}"
        ) from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: a study file holds keys and values, this one does not")
    return values


def _override(values: dict, overrides: list[str]) -> list[str]:
    """Apply `a.b=value` to the nested `values` in place; return what could not be applied."""
    faults = []
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator or not key:
            faults.append(f"--set {override}: write section.key=value")
            continue
        *parents, last = key.split(".")
        target = values
        for parent in parents:
            target = target.setdefault(parent, {}) if isinstance(target, dict) else None
        if not isinstance(target, dict):
            faults.append(f"--set {override}: {'.'.join(parents)} holds a value, not keys")
            continue
        try:
            target[last] = yaml.load(text, Loader=_StudyLoader) if text else ""  # a SafeLoader
        except yaml.YAMLError:
            target[last] = text
    return faults
