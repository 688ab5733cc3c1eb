"""The rows of a run: their images, the blind control, what feature files must hold."""

import pytest
from run_cases import GRID, write_features

from vlhyper.errors import UserError
from vlhyper.run.check import problems
from vlhyper.run.config import load_config, save_config
from vlhyper.run.rows import find_features, keyed, load_split, load_training, model_inputs, stated

SPLIT = {"vqa": "test", "gqa": "test", "caption": "test"}


def loaded(lab, *overrides: str, splits=SPLIT):
    run = lab.run(*overrides)
    return load_split(run, splits, find_features(run))


def pictures(lab, split: str) -> set[str]:
    return {path.stem for path in (lab.folder / "images" / split).iterdir()}


def test_each_task_has_the_number_of_its_place_in_the_config(lab):
    assert {name: rows.task.number for name, rows in loaded(lab).items()} == {"vqa": 0, "gqa": 2, "caption": 3}


def test_every_row_finds_the_features_of_its_own_image(lab):
    for rows in loaded(lab).values():
        assert set(rows.keys.values()) <= pictures(lab, "test")
        assert all(int(key.split("_")[1]) == int(raw.split("_")[-1]) for raw, key in rows.keys.items())


def seen_instead(lab, *overrides: str, splits=SPLIT) -> dict[str, str]:
    """Image -> the image whose features it gets, over all tasks, which must agree."""
    right = loaded(lab, splits=splits)
    wrong = loaded(lab, "features.mismatched=true", *overrides, splits=splits)
    pairs = {(right[name].keys[raw], wrong[name].keys[raw]) for name in right for raw in right[name].keys}
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def test_the_blind_control_gives_no_image_its_own_features_and_all_tasks_the_same(lab):
    other = seen_instead(lab)
    assert other.keys() == pictures(lab, "test") == set(other.values())
    assert all(image != instead for image, instead in other.items())


def test_the_blind_control_is_fixed_by_the_seed(lab):
    assert seen_instead(lab) == seen_instead(lab)
    assert seen_instead(lab) != seen_instead(lab, "training.seed=1")


def test_the_blind_control_stays_within_a_split(lab):
    assert set(seen_instead(lab, splits={"vqa": "val"}).values()) == pictures(lab, "val")


def test_the_model_is_made_for_the_grid_that_the_files_hold(lab):
    run = lab.run()
    inputs = model_inputs(run, find_features(run))
    assert (inputs.tokens, inputs.width) == GRID
    assert inputs.tasks == ("vqa", "vg_qa", "gqa", "caption")


def test_what_the_files_hold_is_stated_so_that_others_are_refused(lab, tmp_path):
    run = stated(lab.run(), find_features(lab.run()))
    found = run.config.features
    assert (found.encoder, found.tokens, found.width) == ("RN101", *GRID)
    write_features(tmp_path / "other.h5", ["a"], weights_sha256="cd" * 32)
    other = found.model_copy(update={"files": [str(tmp_path / "other.h5")]})
    with pytest.raises(UserError, match="weights_sha256 is 'cdcd"):
        find_features(run.stating(other))
    write_features(tmp_path / "cropped.h5", ["a"], preprocessing={"resize": "shortest"})
    other = found.model_copy(update={"files": [str(tmp_path / "cropped.h5")]})
    with pytest.raises(UserError, match=r"preprocessing is \{'resize': 'shortest'\} but the run expects \{\}"):
        find_features(run.stating(other))


def test_rows_without_features_are_dropped_only_where_that_is_asked_for(lab, tmp_path):
    ids = [f"world_{number:06d}" for number in range(1, 13)]
    write_features(tmp_path / "half.h5", ids)
    run = lab.run(f"features.files=[{tmp_path / 'half.h5'}]", "features.missing=drop")
    rows = load_split(run, {"vqa": "train"}, find_features(run))["vqa"]
    assert 0 < len(rows) < 144 and set(rows.keys.values()) == set(ids)
    assert {rows.keys[image] for image in rows.rows["image"]} == set(ids)
    with pytest.raises(UserError, match="none of its 6 images has features"):
        load_split(run, {"vqa": "val"}, find_features(run))


@pytest.fixture
def keyless(lab, tmp_path):
    """The lab with a manifest of VQA that has no image_key, on a grid of tasks that have one."""
    content = (lab.folder / "vqa.yaml").read_text()
    start = content.index("image_key:")
    end = content.index("\nsplits:") if "\nsplits:" in content[start:] else content.index("splits:", start)
    kept = content[:start] + content[end:].lstrip("\n")
    (tmp_path / "vqa.yaml").write_text(kept.replace("root: .", f"root: {lab.folder}"))
    return f"tasks.vqa.data={tmp_path / 'vqa.yaml'}"


def test_a_key_that_is_left_out_is_found_said_and_kept(lab, keyless, tmp_path, capsys):
    new = lab.run(keyless)
    found = keyed(new, find_features(new), new.learned())
    assert found.config.tasks["vqa"].image_key == ["world_{id:06d}"] and found.config.tasks["gqa"].image_key is None
    assert capsys.readouterr().err == "vqa: image_key is left out; images are found as world_{id:06d}\n"
    assert load_split(found, SPLIT, find_features(found))["vqa"].keys == loaded(lab)["vqa"].keys
    save_config(found.config, tmp_path / "config.yaml")
    kept = load_config(tmp_path / "config.yaml")
    assert kept == found.config
    # What the run has found stays, whatever else would fit now.
    kept.tasks["vqa"].image_key[:] = ["{id:03d}"]
    assert keyed(new, find_features(new), new.learned(), kept).config.tasks["vqa"].image_key == ["{id:03d}"]
    other = load_config(tmp_path / "config.yaml", [keyless])
    assert other.tasks["vqa"].image_key is None


def test_a_key_that_does_not_fit_is_told_with_one_that_does(lab, keyless):
    with pytest.raises(UserError, match=r"ids such as world_\d+, .*; try image_key: 'world_\{id:06d\}'$"):
        loaded(lab, keyless, splits={"vqa": "test"})
    assert any("try image_key" in one for one in problems(lab.config("tasks.vqa.image_key=x{id}"), lambda _: None))
    assert not list(problems(lab.config(keyless), lambda _: None))


def shots(run):
    [rows] = load_training(run, find_features(run)).values()
    return rows.rows["id"][:]


def test_a_few_rows_are_drawn_by_the_seed_and_are_the_same_for_every_method(lab):
    task = ["tasks={okvqa: {data: okvqa.yaml}}", f"tasks.okvqa.data={lab.folder}/okvqa.yaml"]
    four, ten, other = (
        shots(lab.run(*task, f"tasks.okvqa.shots={number}", f"training.seed={seed}"))
        for number, seed in ((4, 0), (10, 0), (10, 1))
    )
    assert len(four) == 4 and len(ten) == 10 and set(four) < set(ten) != set(other)
    blind = lab.run(*task, "tasks.okvqa.shots=4", "model.method=hyperpelt")
    assert shots(blind) == four
    assert "okvqa: split train has 24 rows, 4 examples" in told(lab, *task, "tasks.okvqa.shots=4")
    with pytest.raises(UserError, match="okvqa, split train: has 24 rows with an answer; set shots to at most so many"):
        shots(lab.run(*task, "tasks.okvqa.shots=25"))


def told(lab, *overrides):
    lines = []
    assert not list(problems(lab.config(*overrides), lines.append))
    return lines
