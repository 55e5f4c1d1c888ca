"""`tammes inspect` as a person meets it: tables, JSON, pictures, what it refuses."""

import json
import math
import sys

import numpy as np
import oracles
import pytest
import torch

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def put(tmp_path):
    """Saves a state dict made of arrays; the name of the file comes back."""

    def store(name, **state):
        state = {key.replace("__", "."): torch.as_tensor(np.array(value)) for key, value in state.items()}
        torch.save({"state_dict": state, "epoch": 3}, tmp_path / name)
        return name

    return store


@pytest.fixture
def model(put):
    """Filters at 90 degrees, class vectors at those of the simplex."""
    filters = 3.0 * oracles.orthoplex(12).astype(np.float32).reshape(24, 3, 2, 2)
    return put("model.pt", conv__weight=filters, conv__bias=np.zeros(24), fc__weight=oracles.simplex(9))


@pytest.fixture
def other(put):
    return put("other.pt", conv__weight=oracles.orthoplex(12), fc__weight=oracles.orthoplex(5), head=np.eye(4))


def test_the_table(run, model):
    status, out, err = run("inspect", model)
    assert (status, err) == (0, "")
    table = [line.split() for line in out.splitlines()]
    simplex = f"{math.degrees(math.acos(-1 / 9)):.4f}°"
    assert table[1] == ["conv.weight", "24", "12", "90.0000°", "90.0000°", "90.0000°", "0", "0"]
    assert table[2] == ["fc.weight", "10", "9", simplex, simplex, simplex, "0", "0"]
    mean = (90.0 + math.degrees(math.acos(-1 / 9))) / 2
    assert out.splitlines()[-1] == f"minimal angles: smallest 90.0000° (conv.weight), mean {mean:.4f}° over 2 layers"


def test_two_checkpoints(run, model, other):
    status, out, err = run("inspect", model, other)
    assert (status, err) == (0, "")
    table = {line.split()[0]: line.split() for line in out.splitlines()}
    assert table["layer"][3:6] == ["model.pt", "other.pt", "difference"]
    assert table["conv.weight"][3:6] == ["90.0000°", "90.0000°", "+0.0000°"]
    assert table["fc.weight"][1:3] == ["10", "9,"]
    assert f"{90.0 - math.degrees(math.acos(-1 / 9)):+.4f}°" in table["fc.weight"]
    assert table["head"][3:6] == ["–", "90.0000°", "–"]


def test_a_checkpoint_beside_itself(run, model):
    status, out, _ = run("inspect", model, model)
    assert status == 0
    assert out.count("+0.0000°") == 2


def test_safetensors(run, tmp_path):
    numbers = pytest.importorskip("safetensors.torch")
    numbers.save_file({"w": torch.eye(4, dtype=torch.bfloat16)}, tmp_path / "m.safetensors")
    status, out, _ = run("inspect", "m.safetensors")
    assert status == 0
    assert out.splitlines()[1].split()[:4] == ["w", "4", "4", "90.0000°"]


def test_json(run, model, other):
    status, out, err = run("inspect", model, other, "--json")
    document = json.loads(out)
    assert (status, err, document["files"]) == (0, "", [])
    first, second = document["checkpoints"]
    assert (first["file"], second["file"]) == ("model.pt", "other.pt")
    assert first["skipped"] == {"conv.bias": "a vector"}
    assert [layer["name"] for layer in second["layers"]] == ["conv.weight", "fc.weight", "head"]
    assert first["layers"][0]["min_angle_degrees"] == pytest.approx(90.0, abs=1e-12)
    assert first["layers"][1]["max_cosine"] == pytest.approx(-1 / 9, abs=1e-15)
    assert first["smallest"] == "conv.weight"


def test_one_layer(run, model):
    status, out, err = run("inspect", model, "--layer", "fc.weight")
    assert (status, err) == (0, "")
    assert out.splitlines()[0].strip() == "fc.weight"
    assert "10 in R^9" in out
    assert f"{math.degrees(math.acos(-1 / 9)):.12f}°" in out
    assert "closest pair" in out
    assert "conv" not in out


def test_layers_by_pattern(run, model, other):
    def names(*arguments):
        status, out, _ = run("inspect", model, other, "--json", *arguments)
        assert status == 0
        return [[layer["name"] for layer in each["layers"]] for each in json.loads(out)["checkpoints"]]

    assert names("--include", "*.weight") == [["conv.weight", "fc.weight"]] * 2
    assert names("--exclude", "fc*", "--exclude", "head") == [["conv.weight"]] * 2
    assert names("--include", "head") == [[], ["head"]]
    assert names("--include", "fc*", "--include", "conv*", "--exclude", "fc.weight") == [["conv.weight"]] * 2
    status, _, err = run("inspect", model, "--include", "nothing*", "--exclude", "x")
    assert status == 2
    assert err == (
        "Error: `include` must be a pattern that leaves some layer. Got --include nothing* --exclude x. "
        "There are: conv.weight, fc.weight.\n"
    )


def test_names_with_brackets_are_patterns_of_themselves(run, put):
    file = put("attention.pt", in_proj_weight=oracles.random_code(12, 4))
    status, out, _ = run("inspect", file, "--include", "in_proj_weight[k]", "--json")
    assert status == 0
    assert [layer["name"] for layer in json.loads(out)["checkpoints"][0]["layers"]] == ["in_proj_weight[k]"]
    assert "in_proj_weight[q]" in run("inspect", file)[1]


# --- pictures -------------------------------------------------------------------------------------


def test_no_picture_unless_asked(run, model, tmp_path):
    before = sorted(tmp_path.iterdir())
    assert run("inspect", model)[0] == 0
    assert run("inspect", model, "--layer", "fc.weight")[0] == 0
    assert sorted(tmp_path.iterdir()) == before


def test_a_picture_of_all_layers(run, model, other, tmp_path):
    status, out, _ = run("inspect", model, other, "-o", "layers.png")
    assert status == 0
    assert out.splitlines()[-1] == "saved  layers.png"
    assert (tmp_path / "layers.png").read_bytes().startswith(PNG)
    status, _, err = run("inspect", model, "-o", "layers.png")
    assert (status, err) == (1, "Error: layers.png: the file exists. Use --force to replace it.\n")
    status, out, _ = run("inspect", model, "-o", "layers.svg", "--json")
    assert json.loads(out)["files"] == ["layers.svg"]
    assert run("inspect", model, "-o", "layers.png", "--force")[0] == 0


def test_histograms(run, model, other, tmp_path):
    status, out, _ = run("inspect", model, "--layer", "conv.weight", "--histogram")
    assert status == 0
    assert "0 of 276 pairs above 0.2 (0 %)" in out
    assert (tmp_path / "model_conv.weight_cosines.png").read_bytes().startswith(PNG)
    status, out, _ = run("inspect", model, other, "--layer", "fc.weight", "--histogram", "-o", "two.pdf", "--json")
    document = json.loads(out)
    assert (status, document["files"]) == (0, ["two.pdf"])
    assert (tmp_path / "two.pdf").read_bytes().startswith(b"%PDF")
    for checkpoint, pairs in zip(document["checkpoints"], (45, 45), strict=True):
        (layer,) = checkpoint["layers"]
        assert sum(layer["cosines"]["counts"]) == layer["cosines"]["pairs"] == pairs


def test_a_histogram_of_the_only_layer_needs_no_name(run, put, tmp_path):
    first, second = put("a.pt", block__0__weight=np.eye(3)), put("b.pt", block__0__weight=np.ones((3, 4)))
    status, out, _ = run("inspect", first, second, "--histogram")
    assert status == 0
    assert "3 of 3 pairs above 0.2 (100 %)" in out
    assert (tmp_path / "a_block.0.weight_cosines.png").exists()


# --- what is refused ------------------------------------------------------------------------------


def test_unknown_layers(run, model, other):
    status, out, err = run("inspect", model, "--layer", "fc.wieght")
    assert (status, out) == (2, "")
    assert err == "Error: `layer of model.pt` must be one of: fc.weight, conv.weight. Got 'fc.wieght'.\n"
    status, _, err = run("inspect", model, other, "--layer", "head")
    assert (status, "`layer of model.pt`" in err) == (2, True)
    status, _, err = run("inspect", other, model, "--layer", "head", "--histogram")
    assert (status, "`layer of model.pt`" in err) == (2, True)


def test_wrong_usage(run, model):
    status, _, err = run("inspect", model, "--histogram")
    assert status == 2
    assert err.startswith("Error: `layer` must be given with --histogram.")
    assert "conv.weight, fc.weight" in err
    status, _, err = run("inspect", model, "-o", "picture.gif")
    assert (status, "a file ending in .png, .svg, .pdf" in err) == (2, True)
    status, _, err = run("inspect", model, "--layer", "fc.weight", "-o", "x.png")
    assert (status, "--histogram" in err) == (2, True)
    assert run("inspect")[0] == 2


def test_bad_files(run, model, tmp_path):
    (tmp_path / "empty.pt").touch()
    (tmp_path / "text.pt").write_text("no checkpoint")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    torch.save({"bias": torch.ones(3)}, tmp_path / "bias.pt")
    for name in ("missing.pt", "empty.pt", "text.pt", "module.pt", "bias.pt", "."):
        for arguments in ([name], [model, name]):
            status, out, err = run("inspect", *arguments)
            assert (status, out) == (1, "")
            assert err.startswith(f"Error: {name}: ")
            assert err.count("\n") == 1


def test_a_layer_that_is_not_finite_is_said_and_not_drawn(run, put, tmp_path):
    rows = oracles.orthoplex(3)
    rows[2, 1] = np.nan
    file = put("broken.pt", bad=rows, good=np.eye(3))
    status, out, _ = run("inspect", file)
    assert status == 0
    assert out.splitlines()[1].split()[3] == "nan"
    assert "note  bad: 1 row is not finite" in out
    assert out.splitlines()[-1].endswith("mean 90.0000° over 1 of 2 layers")
    assert json.loads(run("inspect", file, "--json")[1])["checkpoints"][0]["layers"][0]["min_angle"] is None
    assert run("inspect", file, "-o", "layers.png")[0] == 0
    status, _, err = run("inspect", file, "--layer", "bad", "--histogram")
    assert (status, err) == (1, "Error: broken.pt: bad has no cosines to draw: 1 row is not finite.\n")
    assert not (tmp_path / "broken_bad_cosines.png").exists()


def test_names_do_not_steer_the_terminal(run, tmp_path):
    torch.save({"\x1b]0;title\x07\nw[red]": torch.eye(3)}, tmp_path / "names.pt")
    status, out, _ = run("inspect", "names.pt")
    assert status == 0
    assert "\x1b" not in out
    assert len(out.splitlines()) == 3
    assert "w[red]" in out


def test_interrupted(run, model, monkeypatch):
    from tammes.nn.inspect import weights

    def interrupt(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(weights, "measure", interrupt)
    status, out, err = run("inspect", model, "-o", "layers.png")
    assert (status, out, err) == (130, "", "Error: Interrupted; nothing was written.\n")


# --- progress -------------------------------------------------------------------------------------


def test_a_terminal_gets_a_bar(run, put, monkeypatch):
    file = put("attention.pt", in_proj_weight=oracles.random_code(12, 4))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    status, _, err = run("inspect", file)
    assert status == 0
    assert "in_proj_weight[v] (4 x 4)" in err
    assert "100%" in err
