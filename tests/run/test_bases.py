"""Configs that are based on others: what counts, whose folder a path belongs to, what is refused."""

import pytest
import yaml

from vlhyper.errors import UserError
from vlhyper.model.saved import find_saved
from vlhyper.run.bases import merged
from vlhyper.run.config import load_config, save_config

BASE = {
    "model": {"method": "hyperpelt", "bottleneck": 4},
    "tasks": {"cola": {"data": "cola.yaml"}, "rte": {"data": "rte.yaml", "beams": 2}},
    "training": {"steps": 6, "batch": 8},
}


@pytest.fixture
def write(tmp_path):
    """write(name, values): a config below the test's folder."""

    def put(name, **values):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(values, sort_keys=False))
        return path

    put("base.yaml", **BASE)
    return put


def test_mappings_are_put_together_at_every_depth_and_all_else_is_replaced():
    old = {"a": {"b": {"c": 1, "d": 2}, "e": [1, 2]}, "f": 3, "g": {"h": 4}}
    new = {"a": {"b": {"d": 5}, "e": [6]}, "g": None, "i": 7}
    assert merged(old, new) == {"a": {"b": {"c": 1, "d": 5}, "e": [6]}, "f": 3, "g": None, "i": 7}


def test_a_config_says_only_what_differs_from_its_base(write, tmp_path):
    path = write("runs/mine.yaml", base="../base.yaml", model={"bottleneck": 5}, tasks={"rte": {"data": "mine.yaml"}})
    config = load_config(path, ["training.steps=9"])
    assert (config.model.method, config.model.model_dump()["bottleneck"]) == ("hyperpelt", 5)
    assert (config.training.steps, config.training.batch) == (9, 8)
    # Paths belong to the folder of the file that names them.
    assert config.tasks["cola"].data == str(tmp_path / "cola.yaml")
    assert (config.tasks["rte"].data, config.tasks["rte"].beams) == (str(tmp_path / "runs/mine.yaml"), 2)
    # A run's own config is based on nothing.
    save_config(config, tmp_path / "elsewhere/config.yaml")
    assert load_config(tmp_path / "elsewhere/config.yaml") == config


def test_of_several_bases_the_later_ones_count(write):
    write("second.yaml", base="base.yaml", training={"steps": 7})
    write("third.yaml", training={"steps": 8, "warmup": 3})
    path = write("mine.yaml", base=["second.yaml", "third.yaml"], training={"warmup": 4})
    training = load_config(path).training
    assert (training.steps, training.batch, training.warmup) == (8, 8, 4)


def test_a_base_that_is_not_there_is_told_with_the_config_that_names_it(write, tmp_path):
    path = write("mine.yaml", base="nowhere.yaml")
    with pytest.raises(UserError) as refusal:
        load_config(path)
    assert str(refusal.value) == f"{tmp_path}/nowhere.yaml: no such file; the config that {path} is based on must exist"


def test_a_circle_is_refused(write):
    write("first.yaml", base="second.yaml")
    path = write("second.yaml", base="first.yaml")
    with pytest.raises(UserError, match=r"is based on itself, by way of .*first.yaml; take one `base` out"):
        load_config(path)


@pytest.mark.parametrize("value", [3, [3], {"a": "b"}, [["a"]]])
def test_what_names_no_file_is_refused(write, value):
    with pytest.raises(UserError, match="base must be the path of a config, or a list of them"):
        load_config(write("mine.yaml", base=value))


@pytest.mark.parametrize(
    ("only", "kept"), [("rte", ["rte"]), ("[rte, cola]", ["cola", "rte"]), ("null", ["cola", "rte"])]
)
def test_only_some_tasks_are_trained(write, only, kept):
    config = load_config(write("mine.yaml", base="base.yaml", only=["cola"]), [f"only={only}"])
    assert (list(config.tasks), config.only) == (kept, None)


@pytest.mark.parametrize(
    ("only", "told"),
    [
        ("rta", "only: there is no task 'rta' in tasks; did you mean 'rte'?"),
        ("[]", "tasks: "),
        ("3", "only: "),
        ("[[rte]]", "only.0: "),
    ],
)
def test_tasks_that_are_not_there_are_refused(write, only, told):
    with pytest.raises(UserError) as refusal:
        load_config(write("mine.yaml", base="base.yaml"), [f"only={only}"])
    assert told in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_run_that_a_config_begins_with_and_is_not_there_is_no_id_of_the_hub(write):
    config = load_config(write("mine.yaml", base="base.yaml", start="./runs/first"))
    with pytest.raises(UserError, match="runs/first: no such run folder; train it first, or name another run"):
        find_saved(config.start)
