"""The study file: one strict, typed model of everything a study can be told. Used by every notebook.

Sections are in the order of the notebooks; `load` (in `loading.py`) reads a file into a `Study`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from cervical_phantom.parameters import SyntheticCohort
from foramen.core import paths
from foramen.core.files import digest, digest_file
from foramen.study.plan import Plan
from foramen.study.section import Section
from labelled_radiographs.layout import Layout

RegionSource = Literal["film", "fixed", "detected"]
Equalization = Literal["none", "minmax", "global", "clahe"]
Flip = Literal["none", "random", "canonical"]
Stn = Literal["none", "crop", "joint", "self_supervised", "true_pose"]
Initialisation = Literal["random", "pretrained"]
Network = Literal["resnet50", "tf_efficientnet_lite0"]  # as timm calls them
Trainable = Literal["head", "layer4", "layer3", "layer2", "layer1", "all"]
Share = Annotated[float, Field(gt=0, lt=1)]
Factor = Annotated[float, Field(ge=0, le=100)]
# Height and width. At 16 the last strided convolution gets one column, whose bfloat16 gradient oneDNN leaves undefined.
Shape = Annotated[list[Annotated[int, Field(ge=24, le=512)]], Field(min_length=2, max_length=2)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]

# The ways of training the STN that need a localisation network taught before fine-tuning.
TAUGHT_STN = ("self_supervised", "true_pose")


def _absolute(path: str) -> str:
    """A path that exists where the study is started, made absolute: notebooks run in another folder."""
    given = Path(path).expanduser()
    return str(given.resolve()) if path and given.exists() else path


OwnPath = Annotated[str, AfterValidator(_absolute)]


class ManifestCohort(Layout):
    """A reader's own radiographs, and what the study may take for granted about them."""

    side_dependent_label: bool = Field(False, description="does a mirrored radiograph have another label?")
    unreadable_share: float = Field(0.0, ge=0, lt=1, description="share of images that may be left out as unreadable")

    @field_validator("path", "images", "adapter")
    @classmethod
    def _from_here(cls, path: str, field: ValidationInfo) -> str:
        return path if field.field_name == "adapter" and not path.endswith(".py") else _absolute(path)

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


class CohortSource(Section):
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
    """Random changes of a training image, wherever more than the last layer learns (notebook 03)."""

    rotation: float = Field(0.0, ge=0, le=45, description="up to this many degrees either way, seen from the input")
    shift: float = Field(0.0, ge=0, le=0.5, description="up to this share of the image side either way")
    zoom: float = Field(0.0, ge=0, le=0.5, description="up to this relative magnification either way")
    gain: float = Field(0.0, ge=0, le=0.9, description="up to this relative change of contrast either way")


class Region(Section):
    """The region of interest: the square of a film that everything after it sees (notebook 02)."""

    size: int = Field(128, ge=32, le=512, description="pixels along each side of the region that is cut out")
    height: float = Field(0.5, gt=0, le=1, description="side of the fixed region, as a share of the film's side")
    # A film is centred on C4, the foramina C3/4 to C6/7 on C5.
    centre_down: float = Field(
        0.1, ge=-0.5, le=0.5, description="centre of the fixed region below the film's middle, in half film sides"
    )
    margin: float = Field(
        2.0, ge=1, le=4, description="side of a detected region, in lengths of the column of foramina C3/4 to C6/7"
    )
    learned_from: Literal["cohort", "phantom"] = Field(
        "cohort",
        description="films that the detector learns from: the training films with a known column, or synthetic ones",
    )
    epochs: int = Field(4, ge=1, le=1000, description="passes of the detector over the films that it learns from")
    confidence: float = Field(
        0.5, ge=0, le=1, description="a film on which the detector is less sure is cut like the fixed region"
    )
    seed: int = Field(0, ge=0, description="of the detector")


class StnParameters(Section):
    """The spatial transformer network (notebook 04). Bounds are those of its similarity transform."""

    magnification: float = Field(
        1.8, ge=1, le=4, description="of the fixed crop, and of the STN at its start, over the region that they see"
    )
    head_magnification: float = Field(
        4.0, ge=1, le=16, description="the same for each head of an STN with several: one foramen and what is about it"
    )
    max_rotation: float = Field(20.0, ge=0, le=90, description="degrees")
    max_zoom: float = Field(1.35, ge=1, le=3, description="factor about the magnification, either way")
    max_shift: float = Field(0.35, ge=0, le=1, description="in half image sides")
    localisation_size: int = Field(64, ge=16, le=256, description="side of the localisation network's input, in pixels")
    epochs: int = Field(12, ge=1, le=1000, description="of each round of teaching the localisation network")
    rounds: int = Field(3, ge=1, le=100, description="of teaching without truth, each from the last one's answers")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="of teaching the localisation network")
    joint_learning_rate: float = Field(1e-5, ge=0, le=1, description="of a taught localisation network in fine-tuning")


class Pretraining(Section):
    """Where the weights of the arms with `initialisation: pretrained` come from (notebook 05)."""

    source: Literal["formula", "hub", "file", "package"] = "formula"
    hub_name: str = Field("resnet50.tv_in1k", description="timm's name of the weights, for source hub")
    file: OwnPath = Field("", description=".safetensors or .pth with weights of training.network, for source file")
    classes: int = Field(60, ge=2, le=10000, description="iterated function systems to tell apart, for source formula")
    images: int = Field(14000, ge=1, description="formula-generated images seen in training")
    image_size: int = Field(64, ge=32, le=512)
    learning_rate: float = Field(1e-3, gt=0, le=1)
    seed: int = Field(0, ge=0)


class Arm(Section):
    """A named set of switches; everything else is shared by the arms."""

    description: str = ""
    region: RegionSource = Field("film", description="what the arm sees of a film: see the section `region`")
    input: Shape | None = Field(None, description="height and width of the network's input; training.input if missing")
    equalization: Equalization = "none"
    flip: Flip = "none"
    stn: Stn = "none"
    heads: int = Field(1, ge=1, le=8, description="crops along the column, one a foramen, joined by attention")
    initialisation: Initialisation = "pretrained"
    trainable: Trainable = Field("all", description="head: the last layer; layer3: from layer3 up; all: everything")

    @property
    def variant(self) -> str:
        """Name of the images that it reads: region and contrast treatment."""
        return f"{self.region}_{self.equalization}"

    @property
    def localisation_key(self) -> str | None:
        """Name of the taught localisation network that this arm starts from; None where it needs none."""
        heads = f"_{self.heads}" if self.heads > 1 else ""
        return f"{self.variant}_{self.flip}_{self.stn}{heads}" if self.stn in TAUGHT_STN else None

    @model_validator(mode="after")
    def _heads_have_a_column(self) -> "Arm":
        if self.heads > 1 and (self.region != "detected" or self.stn == "none" or self.trainable == "head"):
            raise ValueError("several heads need region: detected, a crop or an STN, and more to learn than the head")
        return self


class Training(Section):
    """The recipe of fine-tuning, the same for every arm (notebook 05)."""

    network: Network = Field("resnet50", description="the paper's, or one whose ImageNet weights a package carries")
    input: Shape = Field([96, 96], description="height and width of the network's input, in pixels")
    epochs: int = Field(10, ge=1, le=1000)
    batch_size: int = Field(32, ge=2, le=1024)
    learning_rate: float = Field(3e-4, gt=0, le=1)
    head_factor: float = Field(5.0, gt=0, le=1000, description="learning rate of the last layer over the others'")
    layer_decay: float = Field(1.0, gt=0, le=1, description="factor of the learning rate per stage towards the input")
    weight_decay: float = Field(0.05, ge=0, le=1, description="on weights of more than one dimension only")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps with a rising learning rate")
    share: float = Field(1.0, gt=0, le=1, description="of the training patients who are learned from (learning curves)")
    unfreeze: int = Field(0, ge=0, description="epochs in which only the network's last layer learns, before the rest")
    label_smoothing: float = Field(0.0, ge=0, lt=0.5)
    patience: int = Field(0, ge=0, description="epochs without a better validation loss before stopping; 0: never")
    precision: Literal["auto", "bf16", "fp32"] = Field("auto", description="auto: bf16 where the processor has it")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(1, ge=1, le=256, description="of one training; results depend on it")
    checkpoint_seconds: float = Field(60.0, ge=0, description="a checkpoint at the first epoch end after this time")


class Evaluation(Section):
    """What is looked at besides the comparisons of the plan (notebooks 06 and 08)."""

    external: dict[str, OwnPath] = Field({}, description="arm name: predictions table of another system")
    saliency_images: int = Field(8, ge=0, le=200, description="test images to explain, chosen by rule")


class Sweep(Section):
    """An arm and its control where some numbers of the study are others (notebook 07)."""

    knobs: list[str] = Field(min_length=1, description="that vary together: cohort.synthetic.positioning.tilt_sd_deg")
    factors: list[Factor] = Field([0.0, 0.5, 1.5], min_length=1, description="of their values; 1 is the study itself")
    values: list[float] = Field([], description="that all knobs take, in place of factors; the study's own is one")
    shows: Literal["gain", "variance", "transfer"] = Field(
        "gain",
        description="gain: a curve of the arm's gain over its control; variance: how far results differ between "
        "cohorts, the knobs being seeds; transfer: networks trained at one value, tested at another",
    )
    trained: bool = Field(True, description="false: nothing is trained there, the study's own networks are tested")
    arm: str
    control: str = Field(description="the arm that lacks the one step that is looked at")


class Study(Section):
    """A whole study."""

    name: Name
    title: str = ""
    seeds: list[Annotated[int, Field(ge=0)]] = Field([1, 2, 3], min_length=1)
    cohort: CohortSource = CohortSource()
    split: Split = Split()
    preprocessing: Preprocessing = Preprocessing()
    augmentation: Augmentation = Augmentation()
    region: Region = Region()
    stn: StnParameters = StnParameters()
    pretraining: Pretraining = Pretraining()
    arms: dict[Name, Arm] = Field(min_length=1)
    training: Training = Training()
    plan: Plan = Plan()
    evaluation: Evaluation = Evaluation()
    keep_weights: bool = Field(False, description="of all seeds, as networks tested elsewhere need; else of the first")
    sweeps: dict[Name, Sweep] = Field({}, description="studies that differ from this one in one nuisance or number")

    @property
    def paths(self) -> paths.StudyPaths:
        """Names of everything this study makes."""
        return paths.StudyPaths(self.name)

    @property
    def hash(self) -> str:
        """Twelve hex digits that change with any parameter."""
        return digest(self.model_dump(exclude={"plan": {"file"}}))

    @property
    def design(self) -> str:
        """Twelve hex digits that change with what networks see and how they are trained, for a cohort that stays."""
        arms = {name: self._arm_parameters(arm) for name, arm in self.arms.items()}
        shared = self._sections("seeds", "region", "preprocessing")
        return digest([arms, shared])

    def pretraining_key(self, content: list[str]) -> str:
        """Name of the pre-trained weights; `content` holds the digest of the given weights file, where there
        is one.
        """
        return digest([self.stage("pretraining"), content])

    @property
    def variants(self) -> list[str]:
        """The images that some arm reads: region and contrast treatment."""
        return sorted({arm.variant for arm in self.arms.values()})

    @property
    def detects(self) -> bool:
        """Is a detector taught: for an arm, or to show what it makes of a user's films before one relies on it?"""
        shown = self.cohort.source == "manifest" and self.region.learned_from == "phantom"
        return shown or any(arm.region == "detected" for arm in self.arms.values())

    def image_size(self, region: RegionSource) -> int:
        """Pixels along each side of the images of a region."""
        return self.cohort.image_size if region == "film" else self.region.size

    @property
    def runs(self) -> list["Run"]:
        """Every training of the study, arm by arm."""
        return [Run(self, arm, seed) for arm in self.arms for seed in self.seeds]

    def run(self, arm: str, seed: int) -> "Run":
        """The training of an arm with a seed."""
        return Run(self, arm, seed)

    def stage(self, stage: str) -> dict[str, Any]:
        """The parameters that a stage depends on; its results are stale when one of them changes.

        Stages: `cohort`, `regions`, `coverage`, `variant_<region>_<equalization>`, `preprocessing` (what notebook 02
        shows of all arms), `augmentation`, `pretraining`, `stn`, `arm_<name>`, `evaluation`. A stage names only its own
        parameters: what it reads from an earlier stage, the workflow tracks as a file.
        """
        kind, _, name = stage.partition("_")
        match kind:
            case "cohort":
                return self._cohort_parameters()
            case "regions":
                # named only where it is less, so that what was made before it counted stays current
                share = {"share": self.training.share} if self.training.share < 1 else {}
                return self._sections("region") | self.training.model_dump(include={"threads"}) | share
            case "coverage":
                seen = {"region", "equalization", "input", "stn", "heads"}  # of an arm: what it makes of a film
                read: dict[str, Any] = {"training": {"input"}, "arms": {"__all__": seen}}
                return self._sections("region", "stn") | self.model_dump(mode="json", include=read)
            case "preprocessing":
                return self.stage("coverage") | self._sections("preprocessing") | {"primary": self.plan.primary.arm}
            case "variant":
                return self._variant_parameters(*name.split("_"))
            case "augmentation":
                return self._sections("augmentation") | {"flips": sorted({arm.flip for arm in self.arms.values()})}
            case "pretraining":
                return self._pretraining_parameters()
            case "stn":
                return self._sections("stn") | self.training.model_dump(include={"threads", "share"})
            case "arm":
                return self._arm_parameters(self.arms[name])
            case "evaluation":
                return self._sections("evaluation", "arms", "seeds", "sweeps") | {"plan": self.plan.analysis}
        raise KeyError(stage)

    def _sections(self, *names: str) -> dict[str, Any]:
        return self.model_dump(mode="json", include=set(names))

    def _cohort_parameters(self) -> dict[str, Any]:
        source = self.cohort.source
        content = {"content": self.cohort.manifest.content} if source == "manifest" else {}
        kept = self.cohort.model_dump(mode="json", include={"source", "image_size", source})
        return kept | self._sections("split") | content

    def _variant_parameters(self, region: str, equalization: str) -> dict[str, Any]:
        tuned = self.preprocessing.model_dump() if equalization == "clahe" else {}
        place = {"source": region} | self._sections("region") if region != "film" else {}
        return {"equalization": equalization, **tuned, **place}

    def _arm_parameters(self, arm: Arm) -> dict[str, Any]:
        parts = {"arm": arm.model_dump(mode="json", exclude={"description"})}
        parts |= self._sections("augmentation", "training", *(["stn"] if arm.stn != "none" else []))
        if arm.initialisation == "pretrained":
            parts["pretraining"] = self._pretraining_parameters()
        return parts

    def _pretraining_parameters(self) -> dict[str, Any]:
        """The fields of the chosen source, and what a computation of the weights depends on besides."""
        of_source = {"hub": {"source", "hub_name"}, "file": {"source", "file"}, "package": {"source"}}
        if chosen := of_source.get(self.pretraining.source):
            network = self.training.model_dump(include={"network"})
            return self.pretraining.model_dump(mode="json", include=chosen) | network
        computed = self.training.model_dump(include={"network", "precision", "device", "threads"})
        return self.pretraining.model_dump(mode="json", exclude={"hub_name", "file"}) | computed


@dataclass(frozen=True)
class Run:
    """One training of a study: an arm with a seed."""

    study: Study
    arm: str
    seed: int

    @property
    def switches(self) -> Arm:
        """What the arm switches on."""
        return self.study.arms[self.arm]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the network's input, in pixels."""
        height, width = self.switches.input or self.study.training.input
        return height, width

    @property
    def stage(self) -> str:
        """Name of the parameters that this training depends on."""
        return f"arm_{self.arm}"

    @property
    def folder(self) -> Path:
        """Where its results lie."""
        return self.study.paths.arm(self.arm, self.seed)

    @property
    def localisation_folder(self) -> Path | None:
        """Where the localisation network lies that it starts from; arms that see the same images share it."""
        key = self.switches.localisation_key
        return self.study.paths.localisation(key, self.seed) if key else None
