"""Read the experiments of the paper from TOML files, one file for each table or figure.

The annotations of the dataclasses below are the schema: msgspec converts every value to its annotated type, and the
`description` of the type is the requirement that an error message states. Unknown and missing keys are refused.

A value stands for itself where the paper states it. Where the paper leaves it open, the file says
`{ assumed = VALUE, because = "..." }`; `Experiment.assumed` lists those values with their reasons.
"""

from __future__ import annotations

import dataclasses
import sys
import tomllib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from tammes.base.errors import FileFormatError, InvalidParameterError
from tammes.base.validation import check_name
from tammes.storage.formats import read_bytes

__all__ = [
    "ARC",
    "DATA",
    "EXPERIMENTS",
    "FOLDER",
    "LOSSES",
    "NETWORKS",
    "PLACES",
    "Arm",
    "Assumption",
    "Data",
    "Experiment",
    "Recipe",
    "load",
    "read",
]

FOLDER = Path(__file__).resolve().parent / "configs"
EXPERIMENTS = ("table2", "table3", "table4", "table5", "table6", "figure3")
"""Names of the files; Figure 1 and Supplement D are drawn from the runs of Table 3, Figure 4 from those of Figure 3."""

ARC = "arcface-resnet50"
RISING = "a list of integers of at least 1, each above the one before"
_FINITE = sys.float_info.max

Network = Literal["vgg19-bn", "vgg16-bn", "resnet20", "resnet56", "wrn-16-8", "densenet-40-12", "arcface-resnet50"]
Images = Literal["cifar-100", "tiny-imagenet-200", "faces"]
LossName = Literal["none", "mma", "cosine", "mhe-0", "mhe-2", "orthogonal"]
Place = Literal["hidden", "output", "both"]
Column = Literal["accuracy", "cost", "angles"]
Text = Annotated[str, Meta(pattern=r"\S", description="text that is not empty")]
Flag = Annotated[bool, Meta(description="true or false")]
Whole = Annotated[int, Meta(ge=0, description="an integer of at least 0")]
Count = Annotated[int, Meta(ge=1, description="an integer of at least 1")]
Positive = Annotated[float, Meta(gt=0, le=_FINITE, description="a finite number above 0")]
NonNegative = Annotated[float, Meta(ge=0, le=_FINITE, description="a finite number of at least 0")]
Share = Annotated[float, Meta(gt=0, le=1, description="a finite number above 0 and at most 1")]
Coefficients = Annotated[
    tuple[NonNegative, ...], Meta(min_length=1, description="a list of one number or more, each of them once")
]
Networks = Annotated[tuple[Network, ...], Meta(description="a list of networks, each of them once")]
Columns = Annotated[tuple[Column, ...], Meta(description="a list of columns, each of them once")]
Layers = Annotated[tuple[Text, ...], Meta(description="a list of names of layers, each of them once")]
Table = Annotated[dict[str, Any], Meta(min_length=1, description="a table that is not empty")]
Tables = Annotated[list[Any], Meta(min_length=1, description="a list of one table or more")]

NETWORKS: tuple[str, ...] = typing.get_args(Network)
DATA: tuple[str, ...] = typing.get_args(Images)
LOSSES: tuple[str, ...] = typing.get_args(LossName)
PLACES: tuple[str, ...] = typing.get_args(Place)

Made = TypeVar("Made")


@dataclass(frozen=True)
class Data:
    """The images, and how they are transformed before they reach the network."""

    name: Images
    image_size: Annotated[int, Meta(ge=8, description="an integer of at least 8")]
    """Pixels a side."""
    pad: Whole
    """Pixels on every side before a random crop of the old size; 0 crops nothing."""
    flip: Flag
    """Half of the training images are mirrored."""
    statistics: Literal["training", "half"]
    """What pixels are normalised by: mean and deviation of the training images by channel, or `augmentation.HALF`."""


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of one network's training: SGD with a learning rate that falls in steps."""

    unit: Literal["epochs", "iterations"]
    """Unit of `length` and `milestones`; `last` counts epochs in either case."""
    length: Count
    batch: Count
    """Images a step, of all processes together."""
    rate: Positive
    milestones: Annotated[tuple[Count, ...], Meta(description=RISING)]
    """After so many units the learning rate is multiplied by `factor`."""
    factor: Share
    momentum: Annotated[float, Meta(ge=0, le=1, description="a finite number of at least 0 and at most 1")]
    nesterov: Flag
    weight_decay: NonNegative
    decay_all: Flag
    """Weight decay applies to biases and the parameters of normalisation too."""
    initialisation: Literal["he-fan-out"]
    """Of the weights: `benchmarks.paper.models.layers.initialise_`."""
    last: Count
    """Reported accuracies are means over so many of the last epochs."""


@dataclass(frozen=True)
class Arm:
    """One row of the comparison: a loss on the weight rows of the layers, or none."""

    name: Text
    title: Text
    networks: Networks
    loss: LossName
    coef: NonNegative = 0.0
    place: Place = "both"
    sample: Share = 1.0
    """Share of the rows that a step takes."""


@dataclass(frozen=True)
class Assumption:
    """A value that the paper does not state, and the reason for it."""

    value: Any
    because: str


@dataclass(frozen=True)
class Experiment:
    """One table, or one figure that has runs of its own."""

    name: str
    title: str
    contents: str
    """What is known of the table in the paper, and what is not."""
    data: Data
    recipes: Mapping[str, Recipe]
    """By network."""
    arms: tuple[Arm, ...]
    layers: tuple[str, ...]
    """Layers whose angles and cosines are shown, by the paper's names."""
    columns: tuple[str, ...]
    assumed: Mapping[str, Assumption]
    """By the key of every value that the paper does not state."""

    def baseline(self, network: str) -> Arm:
        """Return the arm without a loss, to which the others of this network are compared."""
        return next(arm for arm in self.arms if arm.loss == "none" and network in arm.networks)

    def only(self, networks: Sequence[str]) -> Experiment:
        """Return the part of the experiment that concerns these networks.

        Raises:
            UnknownNameError: if the table has no such network.
        """
        for network in networks:
            check_name("networks", network, self.recipes)
        recipes = {network: recipe for network, recipe in self.recipes.items() if network in networks}
        others = tuple(f"networks.{network}." for network in self.recipes if network not in networks)
        assumed = {key: one for key, one in self.assumed.items() if not key.startswith(others or " ")}
        return dataclasses.replace(self, recipes=recipes, assumed=assumed)

    def arms_of(self, network: str) -> list[Arm]:
        """Return the arms that this network is trained with, in order."""
        return [arm for arm in self.arms if network in arm.networks]


@dataclass(frozen=True)
class _Document:
    """The keys of a file."""

    title: Text
    contents: Text
    data: Table
    networks: Table
    arms: Tables
    layers: Layers
    columns: Columns


@dataclass(frozen=True)
class _ArmTable(Arm):
    """The keys of one table of `arms`: those of an arm, or `coefs` in place of `coef` for one arm a coefficient."""

    coefs: Coefficients = ()


@dataclass(frozen=True)
class _Mark:
    """The keys of a value that is marked as assumed."""

    assumed: Any
    because: Text


def load(name: str) -> Experiment:
    """Return the experiment of that name, from the file in this package.

    Raises:
        UnknownNameError: if there is none.
    """
    return read(FOLDER / f"{check_name('experiment', name, EXPERIMENTS)}.toml")


def read(path: str | Path) -> Experiment:
    """Return the experiment in a file.

    Raises:
        FileAccessError: if the file cannot be read.
        FileFormatError: if it is no TOML, a key is missing or unknown, or a value is not what it must be; the
            message names the key, the requirement and the value.
    """
    path = Path(path)
    try:
        document = tomllib.loads(read_bytes(path).decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FileFormatError(path, f"not TOML: {' '.join(str(error).split())}") from None
    try:
        return _experiment(path.stem, document)
    except InvalidParameterError as error:
        raise FileFormatError(path, str(error).rstrip(".")) from None


def _experiment(name: str, document: dict[str, Any]) -> Experiment:
    """Return the experiment of a document, after checking what concerns several values together."""
    assumed: dict[str, Assumption] = {}
    top = _dataclass(_Document, "", document)
    recipes = {network: _recipe(network, table, assumed) for network, table in top.networks.items()}
    arms = [arm for k, table in enumerate(top.arms) for arm in _arms(_key_of_arm(k, table), table, recipes, assumed)]
    data = _dataclass(Data, "data", _without_marks("data", top.data, assumed))
    names = [arm.name for arm in arms]
    if len(set(names)) < len(names):
        raise InvalidParameterError("arms", "tables whose names differ", names)
    for network in recipes:
        bare = [arm.name for arm in arms if arm.loss == "none" and network in arm.networks]
        if len(bare) != 1:
            raise InvalidParameterError("arms", f'one with loss = "none", and no more, for {network}', bare)
    if any((network == ARC) != (data.name == "faces") for network in recipes):
        raise InvalidParameterError("networks", f"{ARC} for faces, and others for other images", list(recipes))
    return Experiment(
        name,
        title=_one_line(top.title),
        contents=_one_line(top.contents),
        data=data,
        recipes=recipes,
        arms=tuple(arms),
        layers=top.layers,
        columns=top.columns,
        assumed=assumed,
    )


def _recipe(network: str, table: Any, assumed: dict[str, Assumption]) -> Recipe:
    """Return the recipe of one network, after checking what concerns several values together."""
    key = f"networks.{network}"
    _value(key, network, Network)
    recipe = _dataclass(Recipe, key, _without_marks(key, table, assumed))
    milestones = list(recipe.milestones)
    if milestones != sorted(milestones):
        raise InvalidParameterError(f"{key}.milestones", RISING, milestones)
    if any(milestone >= recipe.length for milestone in milestones):
        raise InvalidParameterError(f"{key}.milestones", f"below the length, {recipe.length}", milestones)
    if recipe.unit == "epochs" and recipe.last > recipe.length:
        raise InvalidParameterError(f"{key}.last", f"at most the length, {recipe.length}", recipe.last)
    if recipe.nesterov and recipe.momentum == 0.0:
        raise InvalidParameterError(f"{key}.momentum", "above 0 with nesterov", recipe.momentum)
    return recipe


def _key_of_arm(number: int, table: Any) -> str:
    """Return the key of an arm in messages and assumptions: by its name, where it has one."""
    name = table.get("name") if isinstance(table, dict) else None
    return f"arms.{name}" if isinstance(name, str) and name else f"arms[{number}]"


def _arms(key: str, table: Any, recipes: Mapping[str, Recipe], assumed: dict[str, Assumption]) -> list[Arm]:
    """Return the arm of one table, or with `coefs` one arm for each coefficient."""
    values = {"networks": list(recipes)} | _without_marks(key, table, assumed)
    if "coef" in values and "coefs" in values:
        raise InvalidParameterError(key, "without `coef` where there are `coefs`", sorted(values))
    found = _dataclass(_ArmTable, key, values)
    for network in found.networks:
        if network not in recipes:
            raise InvalidParameterError(f"{key}.networks", f"one of: {', '.join(recipes)}", network)
    plain = {one.name: getattr(found, one.name) for one in dataclasses.fields(Arm)}
    arm = Arm(**plain | {"name": _one_line(found.name), "title": _one_line(found.title)})
    if found.coefs:
        return [
            dataclasses.replace(arm, name=f"{arm.name}-{coef:g}", title=f"{arm.title} {coef:g}", coef=coef)
            for coef in found.coefs
        ]
    if arm.loss == "none" and arm.coef != 0.0:
        raise InvalidParameterError(f"{key}.coef", 'left out with loss = "none"', arm.coef)
    if arm.loss != "none" and arm.coef == 0.0:
        raise InvalidParameterError(f"{key}.coef", "a finite number above 0", arm.coef)
    return [arm]


def _without_marks(key: str, table: Any, assumed: dict[str, Assumption]) -> dict[str, Any]:
    """Return the plain values of a table; what is marked as assumed is added to `assumed`."""
    values = dict(_value(key, table, Table))
    for name, value in values.items():
        if isinstance(value, dict):
            mark = _dataclass(_Mark, f"{key}.{name}", value)
            assumed[f"{key}.{name}"] = Assumption(mark.assumed, _one_line(mark.because))
            values[name] = mark.assumed
    return values


def _dataclass(kind: type[Made], key: str, table: Mapping[str, Any]) -> Made:
    """Return a dataclass with the values of a table, each converted to the type of its field."""
    prefix = f"{key}." if key else ""
    fields = {one.name: one for one in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name in table:
        if name not in fields:
            raise InvalidParameterError(f"{prefix}{name}", f"one of: {', '.join(sorted(fields))}", name)
    for name in sorted(fields):
        if name not in table and fields[name].default is dataclasses.MISSING:
            raise InvalidParameterError(f"{prefix}{name}", "given", "nothing")
    types = typing.get_type_hints(kind, include_extras=True)
    return kind(**{name: _value(f"{prefix}{name}", value, types[name]) for name, value in table.items()})


def _value(key: str, value: Any, kind: Any) -> Any:
    """Return a value as one of its type."""
    try:
        found = msgspec.convert(value, kind)
    except msgspec.ValidationError:
        raise InvalidParameterError(key, _requirement(kind), value) from None
    if isinstance(found, tuple) and len(set(found)) < len(found):
        raise InvalidParameterError(key, _requirement(kind), value)
    return found


def _requirement(kind: Any) -> str:
    """Return in words what a value of this type is."""
    if typing.get_origin(kind) is Literal:
        return f"one of: {', '.join(typing.get_args(kind))}"
    plain, meta = typing.get_args(kind)  # of an annotated type
    elements = typing.get_args(plain)[:1] if typing.get_origin(plain) is tuple else ()
    return ": ".join([meta.description, *map(_requirement, elements)])


def _one_line(text: str) -> str:
    """Return the text with every run of white space, line ends included, as one space."""
    return " ".join(text.split())
