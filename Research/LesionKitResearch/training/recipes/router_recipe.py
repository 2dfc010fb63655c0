"""From the public X-rays to a model folder with its card: training, calibration, evaluation."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from BodyPartRouterLib.classification.classifier import Classifier
from BodyPartRouterLib.classification.decision import Decision
from BodyPartRouterLib.labels import CLASSES, TITLES
from BodyPartRouterLib.networks.registry import NETWORKS
from LesionKitLib.models.inference import choose_runtime
from LesionKitLib.models.registry import Model, load_weights, read_model, save_model
from LesionKitLib.run.errors import UnusableInput
from LesionKitLib.run.progress import Progress
from LesionKitResearch.calibration.router import calibrate, fit_space, predict
from LesionKitResearch.datasets.router import AGE_UNKNOWN, LabeledXray, labeled_xrays, split_calibration
from LesionKitResearch.evaluation.router import metrics_of, score
from LesionKitResearch.training.curve import draw_curve
from LesionKitResearch.training.loop import TrainingPlan
from LesionKitResearch.training.router import PLANS, Mixture, Pools, slice_pool, train_head, train_router

VERSION = "2.0.0"
REFERENCES = {
    "efficientnet-lite0": "Pham et al. 2021 (DICOM Imaging Router; classes and task); EfficientNet-Lite0 of Tan and Le "
    "2019, encoder with ImageNet weights",
    "light": "Pham et al. 2021 (classes and task); the first eleven blocks of the trained EfficientNet-Lite0, trained "
    "on with a head of their own",
    "mobilenet": "Pham et al. 2021 (its best network); MobileNetV1 of Howard et al. 2017, written anew, random weights",
    "resnet18": "Pham et al. 2021 (one of its networks); ResNet-18 of He et al. 2016, written anew, random weights",
}
# the names of ``lesionkit train`` and the networks they train
NAMES = {
    "router": "efficientnet-lite0",
    "router-light": "light",
    "router-mobilenet": "mobilenet",
    "router-resnet18": "resnet18",
}


@dataclass(frozen=True)
class Trained:
    """A network, how it was trained, how its predictions are calibrated, and the model it was fine-tuned from."""

    network: str
    net: object
    plan: TrainingPlan
    mixture: Mixture
    decision: Decision
    start: Model | None = None
    head_only: bool = False


def train_and_describe(
    data: Path,
    output: Path,
    network: str,
    plan: TrainingPlan,
    device: str = "cpu",
    progress: Progress | None = None,
    start: Path | None = None,
    head_only: bool = False,
) -> Model:
    """Train, draw the curve, calibrate, evaluate on the validation patients and write the model's folder in output.

    start: folder of a trained model of this network that the training goes on from (fine-tuning). head_only: of that
    model the last layer alone is trained.
    """
    if head_only and start is None:
        raise UnusableInput("Training the head alone needs a trained model to start from (--start).")
    training, calibration = split_calibration(list(labeled_xrays(data, "train")), plan.seed)
    certain = [item for item in calibration if item.label != AGE_UNKNOWN]
    if not certain:
        raise UnusableInput(
            f"'{data}' holds too few patients of each class and source to hold some out for calibration."
        )
    mixture, size = Mixture(), NETWORKS.entry(network).size

    def check(net) -> dict[str, float]:
        found = predict(net, [item.gray for item in certain], size, device)
        right = [int(row.argmax()) in item.allowed for row, item in zip(found.logits, certain, strict=True)]
        return {"calibration accuracy": sum(right) / len(right)}

    pools, source = Pools(training, slice_pool(data)), initial_network(network, start)
    if head_only:
        net = train_head(source, pools, output, plan, size, mixture, device, progress)
    else:
        net = train_router(network, pools, output, plan, mixture, device, check, progress, source)
    draw_curve(output, output / "curve.png")
    decision = calibrated(net, training, calibration, size, device)
    return write_model(
        Trained(network, net, plan, mixture, decision, read_model(start) if start else None, head_only),
        data,
        output / NETWORKS.entry(network).model,
        device,
    )


def initial_network(network: str, start: Path | None = None):
    """The trained network that this one starts from, or None. Raises MissingResource when it is not installed.

    start: folder of a trained model of the network itself; raises UnusableInput for another network's.
    """
    name = NETWORKS.entry(network).initialized_from
    if start is not None:
        model = read_model(start)
        if model.card["network"] != NETWORKS.entry(network).class_name:
            raise UnusableInput(f"'{start}' holds a model of another network ({model.card['network']}).")
        return NETWORKS.with_weights(network, model)
    return None if name is None else NETWORKS.load(name)[1]


def calibrated(net, training: list[LabeledXray], calibration: list[LabeledXray], size: int, device: str) -> Decision:
    """Fills the network's feature space from its training set; the decision from the calibration set."""
    fit_space(net, training, size, device)
    return calibrate(predict(net, [item.gray for item in calibration], size, device), calibration)


def write_model(trained: Trained, data: Path, folder: Path, device: str = "cpu") -> Model:
    """The model folder with a card whose figures are those of the stored (half precision) weights."""
    model = save_model(trained.net, describe(trained, {}), folder)
    load_weights(model, trained.net)
    classifier = Classifier(trained.network, model, trained.net.eval(), choose_runtime(device))
    scored, _ = score(data, "val", classifier)
    certain = [s for s in scored if s.truth != AGE_UNKNOWN]
    return save_model(trained.net, describe(trained, metrics_of(certain) if certain else {}, len(certain)), folder)


def describe(trained: Trained, metrics: dict, count: int = 0) -> dict:
    """The model card, less the sha256. count: of the validation images behind the metrics."""
    entry, plan = NETWORKS[trained.network], trained.plan
    name = next(name for name, network in NAMES.items() if network == trained.network)
    return {
        "name": entry.model,
        "version": VERSION,
        "task": "body part of an X-ray: abdomen, chest of an adult or a child, spine, others; or unknown",
        "network": entry.class_name,
        "arguments": {},
        "reference": REFERENCES[trained.network],
        "input": {
            "modality": "plain X-ray (CR, DX, RG, PX, XA, RF), also from PNG and JPEG",
            "size": entry.size,
            "preparation": "uniform borders trimmed, gray values stretched between percentiles 0.5 and 99.5, bones "
            "bright, long side to the size, aspect kept, rest black",
        },
        "labels": {str(n): TITLES[label] for n, label in enumerate(CLASSES)}
        | {str(len(CLASSES)): "no X-ray of a body part (never an answer: the image is held)"},
        "decision": asdict(trained.decision),
        "training_data": _training_data(entry.pretrained),
        "split": "by patient (xr/index.csv); validation rows never trained on; 12 % of the training patients held out "
        "for temperature, threshold (answers given wrongly at most 1.5 %) and distance limit",
        "training": {
            "command": f"lesionkit train {name} --data DIR --output DIR --steps {plan.steps} --seed {plan.seed}"
            + (" --start DIR" if trained.start else "")
            + (" --head-only" if trained.head_only else ""),
            **({"start": _start(trained.start)} if trained.start else {}),
            "steps": plan.steps,
            "images_per_step": trained.mixture.xrays + trained.mixture.none,
            "seed": plan.seed,
            "selection": f"step {plan.steps} of a schedule of {plan.horizon or plan.steps}; nothing was chosen on "
            "validation images, but the share of wrong answers that sets the threshold was eased from 1 % to 1.5 % "
            "after two DICOM test files were held",
        },
        "metrics": metrics,
        "metrics_command": f"lesionkit evaluate router --data xr --split val --network {trained.network}",
        "metrics_data": f"{count} X-rays of patients not trained on, the likeliest class of every image",
        "intended_use": "Research and education only. Not a medical device: do not use it for diagnosis or treatment.",
        "limits": _LIMITS,
        "license": "Research and education only (terms of the training data)",
    }


def _start(model: Model) -> dict:
    return {"name": model.name, "version": model.version, "sha256": model.card["sha256"]}


def _training_data(pretrained: bool) -> list[dict]:
    sets = [
        {
            "name": "UNIFESP X-ray body part images: abdomen, spine, limbs, pelvis, skull, chests of unknown age",
            "license": "competition data, own license not stated",
            "labels": "body part; a chest of unknown age may be either chest",
        },
        {"name": "OpenI, adult chest and abdomen", "license": "not stated", "labels": "body part"},
        {
            "name": "ieee8023 COVID-19 chest X-rays",
            "license": "per image: CC BY-NC-SA, CC BY, NC-ND, not stated",
            "labels": "adult chest",
        },
        {"name": "Actualmed and Figure1 COVID chest X-rays", "license": "research only", "labels": "adult chest"},
        {"name": "Kermany pediatric chest X-rays", "license": "not stated", "labels": "pediatric chest"},
        {"name": "scoliosisx, knee_oa, dental_landmark", "license": "not stated", "labels": "spine; others"},
        {
            "name": "AdamSkog scoliosis (MIT), bone-age hands (MIT), further chests of ieee8023 (per image, none ND)",
            "license": "per set, as named",
            "labels": "spine; others; adult chest, or a chest of unknown age",
        },
        {
            "name": "CT slices (sirm100, pseudo1600, COVID-CT-MD sample, SARS-CoV-2-Soares, HUST, IQ-OTH-NCCD, "
            "Emphysema-Talo, LIDC, lizoyu), FLAIR and diffusion slices (SOOP, ISLES'22, flair_infarct, BraTS 2013), "
            "training part",
            "license": "not stated, CC BY-SA, CC BY-NC-SA; assumed non-commercial",
            "labels": "no X-ray",
        },
        {
            "name": "two photographs of scikit-learn, in parts",
            "license": "CC BY 2.0",
            "labels": "no X-ray",
        },
        {
            "name": "pictures made by procedure (ultrasound, scintigrams, pages, textures), and spoiled X-rays (border "
            "only, shuffled, blurred)",
            "license": "Apache-2.0 (made by this project)",
            "labels": "no X-ray",
        },
    ]
    if pretrained:
        sets.append({"name": "ImageNet (encoder's starting weights)", "license": "Apache-2.0 (weights)"})
    return sets


_LIMITS = [
    "All chests of children come from one hospital (Kermany, 1 to 5 years, frontal). Crops, borrowed gray values, "
    "blur and recompression fight the shortcut, but what the network calls a child may partly be that source. Chests "
    "of school children and newborns are untested; PatientAge is shown as a cross-check.",
    "All panoramic teeth, close-up knees and scoliosis images come from one source each.",
    '"Others" holds what the sources hold: limbs, pelvis, skull, sinus, shoulder, teeth. Mammography, fluoroscopy, '
    "angiography and veterinary images were not seen.",
    "An image that shows two regions (babygram, thoracolumbar spine on a chest) gets one class.",
    "Photographs are not always recognized as no X-ray; see docs/router-accuracy.md for the shares held.",
]
__all__ = ["NAMES", "PLANS", "Trained", "calibrated", "describe", "train_and_describe", "write_model"]
