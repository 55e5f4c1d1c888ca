"""The experiments of the paper as TOML files, one a table: read, checked, and typed.

Any value may stand for itself, which says that it is the paper's, or as `{ assumed = VALUE, because = "..." }`,
which says that the paper leaves it open, and why it is what it is here. `Experiment.assumed` lists the latter.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tammes.base.errors import FileFormatError, InvalidParameterError, UnknownNameError
from tammes.storage.formats import read_bytes

__all__ = [
    "ARC",
    "DATA",
    "EXPERIMENTS",
    "FOLDER",
    "NETWORKS",
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
NETWORKS = ("vgg19-bn", "vgg16-bn", "resnet20", "resnet56", "wrn-16-8", "densenet-40-12", ARC)
DATA = ("cifar-100", "tiny-imagenet-200", "faces")
LOSSES = ("none", "mma", "cosine", "mhe-0", "mhe-2", "orthogonal")
PLACES = ("hidden", "output", "both")
UNITS = ("epochs", "iterations")
COLUMNS = ("accuracy", "cost", "angles")

Check = Callable[[Any], Any]
Made = TypeVar("Made")


class _WrongError(Exception):
    """What a value must be; the caller knows its name."""

    def __init__(self, requirement: str) -> None:
        self.requirement = requirement


# --- what a value must be ---------------------------------------------------------------------------


def _whole(least: int) -> Check:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise _WrongError(f"an integer of at least {least}")
        return value

    return check


def _number(least: float, most: float = math.inf, *, open_below: bool = False) -> Check:
    between = f"above {least:g}" if open_below else f"of at least {least:g}"
    wanted = f"a finite number {between}" + (f" and at most {most:g}" if most < math.inf else "")

    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise _WrongError(wanted)
        if not least <= value <= most or (open_below and value == least):
            raise _WrongError(wanted)
        return float(value)

    return check


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _WrongError("true or false")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _WrongError("text that is not empty")
    return " ".join(value.split())


def _one_of(*names: str) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            raise _WrongError("one of: " + ", ".join(names))
        return value

    return check


def _list_of(check: Check, what: str, *, rising: bool = False) -> Check:
    def checked(value: Any) -> tuple[Any, ...]:
        wanted = f"a list of {what}" + (", each above the one before" if rising else ", each of them once")
        if not isinstance(value, list):
            raise _WrongError(wanted)
        try:
            found = tuple(check(one) for one in value)
        except _WrongError as wrong:
            raise _WrongError(f"{wanted}: {wrong.requirement}") from None
        if len(set(found)) < len(found) or (rising and sorted(found) != list(found)):
            raise _WrongError(wanted)
        return found

    return checked


def _is(check: Check, **default: Any) -> Any:
    return field(metadata={"check": check}, **default)


# --- what is in a file ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Data:
    """The images, and what is done to them on the way to the network."""

    name: str = _is(_one_of(*DATA))
    image_size: int = _is(_whole(8))
    """Pixels a side."""
    pad: int = _is(_whole(0))
    """Pixels on every side before a random crop of the old size; 0 crops nothing."""
    flip: bool = _is(_flag)
    """Whether half of the training images are mirrored."""
    statistics: str = _is(_one_of("training", "half"))
    """What pixels are normalised by: those of every channel of the training images, or `augmentation.HALF`."""


@dataclass(frozen=True)
class Recipe:
    """How one network is trained: SGD whose learning rate falls in steps."""

    unit: str = _is(_one_of(*UNITS))
    """What `length`, `milestones` and `last` count; `last` counts epochs in either case."""
    length: int = _is(_whole(1))
    batch: int = _is(_whole(1))
    """Images a step, of all processes together."""
    rate: float = _is(_number(0.0, open_below=True))
    milestones: tuple[int, ...] = _is(_list_of(_whole(1), "integers of at least 1", rising=True))
    """The learning rate is multiplied by `factor` once so many units are done."""
    factor: float = _is(_number(0.0, 1.0, open_below=True))
    momentum: float = _is(_number(0.0, 1.0))
    nesterov: bool = _is(_flag)
    weight_decay: float = _is(_number(0.0))
    decay_all: bool = _is(_flag)
    """Whether biases and the parameters of normalisation decay too."""
    initialisation: str = _is(_one_of("he-fan-out"))
    """How weights begin: `benchmarks.paper.models.layers.initialise_`."""
    last: int = _is(_whole(1))
    """Measures are means over so many of the last epochs."""


@dataclass(frozen=True)
class Arm:
    """What is compared: a loss on the rows of the layers, or none."""

    name: str = _is(_text)
    title: str = _is(_text)
    networks: tuple[str, ...] = _is(_list_of(_one_of(*NETWORKS), "networks"))
    loss: str = _is(_one_of(*LOSSES))
    coef: float = _is(_number(0.0), default=0.0)
    place: str = _is(_one_of(*PLACES), default="both")
    sample: float = _is(_number(0.0, 1.0, open_below=True), default=1.0)
    """Share of the rows that a step takes."""


@dataclass(frozen=True)
class Assumption:
    """What the paper does not state."""

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
    """Whose angles and cosines are shown, by the paper's names."""
    columns: tuple[str, ...]
    assumed: Mapping[str, Assumption]
    """By the key of every value that the paper does not state."""

    def baseline(self, network: str) -> Arm:
        """The arm without a loss, to which the others of this network are compared."""
        return next(arm for arm in self.arms if arm.loss == "none" and network in arm.networks)

    def only(self, networks: Sequence[str]) -> Experiment:
        """The part of these networks.

        Raises:
            UnknownNameError: if the table has no such network.
        """
        for network in networks:
            if network not in self.recipes:
                raise UnknownNameError("networks", network, self.recipes)
        recipes = {network: recipe for network, recipe in self.recipes.items() if network in networks}
        others = tuple(f"networks.{network}." for network in self.recipes if network not in networks)
        assumed = {key: one for key, one in self.assumed.items() if not key.startswith(others or " ")}
        return dataclasses.replace(self, recipes=recipes, assumed=assumed)

    def arms_of(self, network: str) -> list[Arm]:
        """Those that this network is trained with, in order."""
        return [arm for arm in self.arms if network in arm.networks]


def load(name: str) -> Experiment:
    """The experiment of that name, from the file that lies here.

    Raises:
        UnknownNameError: if there is none.
    """
    if name not in EXPERIMENTS:
        raise UnknownNameError("experiment", name, EXPERIMENTS)
    return read(FOLDER / f"{name}.toml")


def read(path: str | Path) -> Experiment:
    """The experiment in a file of one's own.

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
    assumed: dict[str, Assumption] = {}
    own = {"title", "contents", "data", "networks", "arms", "layers", "columns"}
    _check_keys("", document, own, own)
    for key in ("data", "networks"):
        _check(key, document[key], lambda value: isinstance(value, dict) and value, "a table that is not empty")
    _check("arms", document["arms"], lambda value: isinstance(value, list) and value, "a list of one table or more")
    recipes = {}
    for network, table in document["networks"].items():
        _apply(f"networks.{network}", network, _one_of(*NETWORKS))
        recipes[network] = _made(Recipe, f"networks.{network}", table, assumed)
        _check_recipe(f"networks.{network}", recipes[network])
    arms = [
        arm for k, table in enumerate(document["arms"]) for arm in _arms(_key_of_arm(k, table), table, recipes, assumed)
    ]
    found = Experiment(
        name,
        _apply("title", document["title"], _text),
        _apply("contents", document["contents"], _text),
        _made(Data, "data", document["data"], assumed),
        recipes,
        tuple(arms),
        _apply("layers", document["layers"], _list_of(_text, "names of layers")),
        _apply("columns", document["columns"], _list_of(_one_of(*COLUMNS), "columns")),
        assumed,
    )
    names = [arm.name for arm in arms]
    _check("arms", names, lambda value: len(set(value)) == len(value), "tables whose names differ")
    for network in recipes:
        bare = [arm.name for arm in arms if arm.loss == "none" and network in arm.networks]
        _check("arms", bare, lambda value: len(value) == 1, f'one with loss = "none", and no more, for {network}')
    faces = found.data.name == "faces"
    _check(
        "networks",
        list(recipes),
        lambda names: all((one == ARC) == faces for one in names),
        f"{ARC} for faces, none of it else",
    )
    return found


def _key_of_arm(number: int, table: Any) -> str:
    """For messages and assumptions: by its name, where it has one."""
    name = table.get("name") if isinstance(table, dict) else None
    return f"arms.{name}" if isinstance(name, str) and name else f"arms[{number}]"


def _arms(key: str, table: Any, recipes: Mapping[str, Recipe], assumed: dict[str, Assumption]) -> list[Arm]:
    """The arm of one table, or with `coefs` one for each of them."""
    _check(key, table, lambda value: isinstance(value, dict), "a table")
    table = dict(table)
    table.setdefault("networks", list(recipes))
    coefs = table.pop("coefs", None)
    if coefs is not None:
        _check(key, sorted(table), lambda keys: "coef" not in keys, "without `coef` where there are `coefs`")
        coefs = _apply(f"{key}.coefs", _plain(f"{key}.coefs", coefs, assumed), _list_of(_number(0.0), "numbers"))
    arm = _made(Arm, key, table, assumed)
    for network in arm.networks:
        _check(f"{key}.networks", network, lambda one: one in recipes, f"one of: {', '.join(recipes)}")
    if coefs is not None:
        return [
            dataclasses.replace(arm, name=f"{arm.name}-{coef:g}", title=f"{arm.title} {coef:g}", coef=coef)
            for coef in coefs
        ]
    if arm.loss == "none":
        _check(f"{key}.coef", arm.coef, lambda coef: coef == 0.0, 'left out with loss = "none"')
    else:
        _check(f"{key}.coef", arm.coef, lambda coef: coef > 0.0, "a finite number above 0")
    return [arm]


def _check_recipe(key: str, recipe: Recipe) -> None:
    """What no single value can tell."""
    _check(
        f"{key}.milestones",
        list(recipe.milestones),
        lambda milestones: all(one < recipe.length for one in milestones),
        f"below the length, {recipe.length}",
    )
    if recipe.unit == "epochs":
        _check(f"{key}.last", recipe.last, lambda last: last <= recipe.length, f"at most the length, {recipe.length}")
    if recipe.nesterov:
        _check(f"{key}.momentum", recipe.momentum, lambda value: value > 0.0, "above 0 with nesterov")


# --- tables to dataclasses ----------------------------------------------------------------------------


def _made(kind: type[Made], key: str, table: Any, assumed: dict[str, Assumption]) -> Made:
    """A dataclass from a table, every value checked."""
    _check(key, table, lambda value: isinstance(value, dict), "a table")
    fields = {one.name: one for one in dataclasses.fields(kind)}  # type: ignore[arg-type]
    needed = {name for name, one in fields.items() if one.default is dataclasses.MISSING}
    _check_keys(key, table, set(fields), needed)
    values = {}
    for name, value in table.items():
        full = f"{key}.{name}"
        values[name] = _apply(full, _plain(full, value, assumed), fields[name].metadata["check"])
    return kind(**values)


def _plain(key: str, value: Any, assumed: dict[str, Assumption]) -> Any:
    """The value itself; why it was assumed is noted."""
    if not isinstance(value, dict):
        return value
    _check_keys(key, value, {"assumed", "because"}, {"assumed", "because"})
    assumed[key] = Assumption(value["assumed"], _apply(f"{key}.because", value["because"], _text))
    return value["assumed"]


def _check_keys(key: str, table: Mapping[str, Any], known: set[str], needed: set[str]) -> None:
    prefix = f"{key}." if key else ""
    for name in table:
        if name not in known:
            raise InvalidParameterError(f"{prefix}{name}", f"one of: {', '.join(sorted(known))}", name)
    for name in sorted(needed - set(table)):
        raise InvalidParameterError(f"{prefix}{name}", "given", "nothing")


def _apply(key: str, value: Any, check: Check) -> Any:
    try:
        return check(value)
    except _WrongError as wrong:
        raise InvalidParameterError(key, wrong.requirement, value) from None


def _check(key: str, value: Any, fits: Callable[[Any], Any], requirement: str) -> None:
    if not fits(value):
        raise InvalidParameterError(key, requirement, value)
