"""The tables of layers, the remarks below them and the record, from rows whose angles are known."""

import json
import math

import oracles
import pytest
from rich.console import Console

from tammes.nn.inspect import tables, weights
from tammes.nn.inspect.inspection import Inspection

LAYERS = {
    "square": oracles.orthoplex(2),
    "triangle": oracles.simplex(2),
    "ring": [*oracles.polygon(6, d=4).tolist(), [0.0] * 4, [2.0, 0.0, 0.0, 0.0]],
}


def network(label="a.pt", layers=LAYERS, **more):
    return Inspection(label, {name: weights.measure(rows) for name, rows in layers.items()}, **more)


def words(line):
    return line.split()


def lines(block):
    console = Console(width=300, markup=False, highlight=False)
    with console.capture() as capture:
        console.print(block)
    return [line.rstrip() for line in capture.get().splitlines()]


def test_one_line_for_each_layer():
    table = [line.split() for line in lines(tables.layers_table([network()]))]
    assert table[0] == words("layer rows d minimal angle mean nearest bound zero rows duplicates")
    assert table[1] == ["square", "4", "2", "90.0000°", "90.0000°", "90.0000°", "0", "0"]
    assert table[2] == ["triangle", "3", "2", "120.0000°", "120.0000°", "120.0000°", "0", "0"]
    # Eight rows of which one is zero and two the same: five of the seven at 60 degrees, two at 0.
    assert table[3] == ["ring", "8", "4", "0.0000°", f"{300 / 7:.4f}°", "90.0000°", "1", "2"]
    assert " ".join(table[4]) == "minimal angles: smallest 0.0000° (ring), mean 70.0000° over 3 layers"
    assert len(table) == 5


def test_two_networks_side_by_side():
    other = {"triangle": oracles.orthoplex(2), "square": oracles.polygon(3), "new": oracles.orthoplex(3)}
    shown = lines(tables.layers_table([network(), network("b.pt", other)]))
    table = [line.split() for line in shown]
    assert table[0] == words("layer rows d a.pt b.pt difference bound zero rows duplicates")
    assert table[1] == words("square 4, 3 2 90.0000° 120.0000° +30.0000° 90.0000°, 120.0000° 0 0")
    assert table[2] == words("triangle 3, 4 2 120.0000° 90.0000° -30.0000° 120.0000°, 90.0000° 0 0")
    assert table[3][:7] == ["ring", "8", "4", "0.0000°", "–", "–", "90.0000°"]
    assert table[4] == words("new 6 3 – 90.0000° – 90.0000° 0 0")
    assert shown[5:] == [
        "minimal angles of a.pt: smallest 0.0000° (ring), mean 70.0000° over 3 layers",
        "minimal angles of b.pt: smallest 90.0000° (triangle), mean 100.0000° over 3 layers",
    ]


def test_layers_without_an_angle_have_a_note():
    layers = {"bad": [[math.nan, 1.0], [1.0, 0.0]], "one": [[0.0, 0.0], [1.0, 0.0]], "good": oracles.orthoplex(2)}
    shown = lines(tables.layers_table([network(layers=layers)]))
    assert shown[1].split() == ["bad", "2", "2", "nan", "nan", "180.0000°", "0", "0"]
    assert shown[2].split() == ["one", "2", "2", "–", "–", "–", "1", "0"]
    assert shown[4:] == [
        "note  bad: 1 row is not finite",
        "note  one: 1 row other than zero: no pair",
        "minimal angles: smallest 90.0000° (good), mean 90.0000° over 1 of 3 layers",
    ]
    del layers["good"]
    assert lines(tables.layers_table([network(layers=layers)]))[-1] == "minimal angles: none"
    shown = lines(tables.layers_table([network(layers=layers), network("b.pt", layers)]))
    assert shown[1].split()[3:6] == ["nan", "nan", "nan"]
    assert "note of b.pt  bad: 1 row is not finite" in shown


def test_notes_and_what_is_left_out():
    notes = {"square": "weight norm", "triangle": "", "ring": "weight norm"}
    skipped = {"bias": "a vector", "head": "one row", "steps": "no real numbers but int64", "tied": "tied with ring"}
    shown = lines(tables.layers_table([network(notes=notes, skipped=skipped)]))
    assert shown[4:6] == ["note  square and 1 more: weight norm", "left out  head: one row"]
    assert len(shown) == 7
    skipped = {f"w{k}": "sparse" for k in range(20)}
    shown = lines(tables.layers_table([network(skipped=skipped)]))
    assert shown[-3:-1] == ["left out  w11: sparse", "left out  8 more; --json names them all"]


def test_one_layer():
    cosines = {"ring": weights.cosine_histogram(LAYERS["ring"])}
    shown = lines(tables.layer_table([network(notes={"ring": "tied with x"}, cosines=cosines)], "ring"))
    assert shown[0] == "ring"
    found = {line[:20].strip(): line[20:] for line in shown[1:]}
    assert found == {
        "rows": "8 in R^4",
        "minimal angle": "0.000000000000°",
        "closest pair": "0, 7",
        "max cosine": "1.0000000000000000",
        "mean nearest angle": f"{300 / 7:.12f}°",
        "upper bound": "90.000000°   (rankin)",
        "zero rows": "1: 6",
        "duplicates": "2",
        # Of the hexagon six pairs at 60 degrees; of the copy itself and two such neighbours.
        "cosines": "9 of 21 pairs above 0.2 (42.9 %)",
        "note": "tied with x",
    }


def test_one_layer_of_two_networks():
    shown = lines(tables.layer_table([network(), network("b.pt", {"square": [[0.0, 0.0]] * 9})], "square"))
    cells = [line.split() for line in shown]
    assert cells[1] == ["a.pt", "b.pt"]
    assert cells[3] == words("minimal angle 90.000000000000° none: no rows other than zero: no pair")
    assert cells[4][-1] == cells[5][-1] == cells[7][-1] == "–"
    assert cells[8] == words("zero rows 0 9: 0, 1, 2, 3, 4, 5, 6, 7, ...")


def test_records():
    cosines = {"square": weights.cosine_histogram(LAYERS["square"], bins=4)}
    layers = LAYERS | {"bad": [[math.nan, 1.0], [1.0, 0.0]]}
    whole = network(layers=layers, notes={"square": "x", "ring": ""}, skipped={"b": "a vector"}, cosines=cosines)
    record = json.loads(json.dumps(whole.to_dict(), allow_nan=False))
    assert [layer["name"] for layer in record["layers"]] == ["square", "triangle", "ring", "bad"]
    assert record["layers"][0]["cosines"] == {
        "range": [-1.0, 1.0],
        "counts": [2, 0, 4, 0],
        "pairs": 6,
        "threshold": 0.2,
        "above": 0,
    }
    assert "cosines" not in record["layers"][1]
    assert [layer["note"] for layer in record["layers"]] == ["x", None, None, None]
    assert record["layers"][3]["no_angle_because"] == "1 row is not finite"
    assert record["skipped"] == {"b": "a vector"}
    assert (record["smallest"], record["smallest_min_angle_degrees"]) == ("ring", 0.0)
    assert record["mean_min_angle_degrees"] == pytest.approx(70.0)
    empty = network(layers={}).to_dict()
    assert (empty["smallest"], empty["smallest_min_angle_degrees"], empty["mean_min_angle_degrees"]) == (None,) * 3
