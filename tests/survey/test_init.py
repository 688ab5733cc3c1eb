"""`vlhyper init`: the config it writes is one that `check` accepts, and what it leaves out it says."""

import re

import h5py
import numpy as np
import pytest
from run_cases import write_features
from survey_cases import answers, captions, coco, karpathy, pictures, questions, write

from vlhyper.cli import run
from vlhyper.errors import UserError
from vlhyper.run.check import problems
from vlhyper.run.config import load_config

# Of Karpathy's split of the twenty-four images.
SIZES = {"train": 16, "val": 4, "test": 4}


@pytest.fixture
def initiated(tmp_path, monkeypatch, capsys):
    """initiated(folder): the config that init writes in the working folder, and what it shows."""
    monkeypatch.chdir(tmp_path)

    def look(folder="set", out="my_run.yaml"):
        run(["init", str(folder), "--out", out])
        return load_config(out), capsys.readouterr().out

    return look


def checked(lab, *overrides: str) -> tuple[list[str], str]:
    """What `check` finds wrong with my_run.yaml on a small T5, and what it tells."""
    told: list[str] = []
    small = [f"model.backbone={lab.folder / 't5'}", *overrides]
    return list(problems(load_config("my_run.yaml", small), told.append)), "\n".join(told)


def extracted(shown: str) -> list[list[str]]:
    return [words.split() for words in re.findall(r"vlhyper extract (.*) --weights", shown)]


def test_a_whole_world_with_features_is_accepted_by_check(initiated, lab):
    config, shown = initiated(lab.folder)
    assert config.features.files == [str(lab.folder / "features.h5")] and config.features.missing == "refuse"
    assert {"vqa", "vg_qa", "gqa", "caption", "okvqa", "snli-ve"} <= config.tasks.keys()
    assert not extracted(shown) and "36 of 36 images are there" in shown
    found, told = checked(lab)
    assert found == [] and "vqa: split train has 144 rows" in told and "caption: split test has 6 rows" in told


def test_cocos_folders_are_known_and_boxes_are_left_out(initiated, lab, tmp_path):
    coco(tmp_path / "set")
    config, shown = initiated()
    assert extracted(shown) == [["set/train2014", "set/val2014"]]
    assert "instances_val2014.json: marks objects" in shown
    assert {name: entry.test for name, entry in config.tasks.items()} == {"vqa": "val", "caption": "val"}
    assert config.tasks["vqa"].data["image_key"] == "COCO_{split}_{id:012d}"
    [lacking] = checked(lab, "validation.every=0")[0]
    assert lacking.startswith(f"{tmp_path / 'features.h5'}: no such file; make feature files with `vlhyper extract")
    ids = [path.stem for path in (tmp_path / "set").rglob("*.jpg")]
    write_features(tmp_path / "features.h5", ids, (49, 2048))
    found, told = checked(lab)
    assert found == [] and "vqa: split val has 12 rows" in told and "caption: split train has 12 rows" in told
    # What was extracted is used, and not extracted again.
    again, shown = initiated(out="again.yaml")
    assert again.tasks == config.tasks and not extracted(shown)


def test_a_damaged_file_takes_its_own_split_alone(initiated, tmp_path):
    coco(tmp_path / "set")
    broken = tmp_path / "set/vqa/v2_mscoco_val2014_annotations.json"
    broken.write_text(broken.read_text()[:-200])
    config, shown = initiated()
    assert re.search(r"vqa/v2_mscoco_val2014_annotations\.json: broken off or not JSON after record \d+", shown)
    assert [one for one in config.tasks["vqa"].data["splits"] if "test" not in one] == ["train", "val"]
    assert "11 to learn from, 1 to validate on (held out); 12 of 12 images are there" in shown


def test_karpathys_file_cuts_captions_and_questions_alike(initiated, lab, tmp_path):
    coco(tmp_path / "set")
    splits = [(id, "train2014", "train") for id in range(100, 112)]
    names = ["restval"] * 4 + ["val"] * 4 + ["test"] * 4
    splits += [(200 + number, "val2014", name) for number, name in enumerate(names)]
    write(tmp_path / "set/dataset_coco.json", karpathy(splits))
    config, shown = initiated()
    assert "annotations/captions_val2014.json: has the same images as dataset_coco.json" in shown
    assert config.tasks["caption"].data["format"] == "karpathy"
    write_features(tmp_path / "features.h5", [f"COCO_{subset}_{id:012d}" for id, subset, _ in splits], (49, 2048))
    found, told = checked(lab)
    assert found == []
    rows = [f"{task}: split {name} has {size} rows" for task in config.tasks for name, size in SIZES.items()]
    assert len(rows) == 6 and all(line in told for line in rows)


def test_real_samples_of_which_images_are_missing(initiated, lab, shared, tmp_path):
    (tmp_path / "set").mkdir()
    for name in ("coco", "vqa", "okvqa"):
        (tmp_path / "set" / name).symlink_to(shared / name)
    config, shown = initiated()
    assert "45 of 100 images are there" in shown and config.features.missing == "drop"
    assert "OpenEnded_mscoco_val2014_questions.json: has questions without answers alone" in shown
    assert re.search(r"not known by their content: .*trainval_ans2label\.json", shown)
    write_features(tmp_path / "features.h5", [path.stem for path in (shared / "coco").rglob("*.jpg")], (49, 2048))
    found, told = checked(lab)
    assert found == [] and "vqa: split train has 229 rows" in told and "caption: split train has 18 rows" in told


def test_a_newcomers_folder(initiated, lab, tmp_path):
    folder = tmp_path / "my photos"
    pictures(folder, *(f"IMG_{number}.JPG" for number in range(20)))
    rows = [f"IMG_{number}.JPG,what is it?,a {'cat' if number % 2 else 'dog'}" for number in range(20)]
    write(folder / "table.csv", "\n".join(["image,question,answer", *rows]) + "\n")
    write(folder / "README.txt", "These are my photos\n")
    write(folder / ".hidden/questions.json", questions([1]))
    write(folder / "broken.json", '[{"question": "x", "image": ')
    config, shown = initiated("my photos")
    assert "vlhyper extract 'my photos' --weights openai --out features.h5" in shown
    assert "rows: 18 to learn from, 2 to validate on (held out); 20 of 20 images are there" in shown
    assert "not known by their content: README.txt" in shown and "broken.json: broken off or not JSON" in shown
    write_features(tmp_path / "features.h5", [f"IMG_{number}" for number in range(20)], (49, 2048))
    assert checked(lab)[0] == [] and list(config.tasks) == ["vqa"]


def test_flickrs_lists_are_its_splits(initiated, tmp_path):
    names = [f"{number}_ab.jpg" for number in range(12)]
    pictures(tmp_path / "set/Images", *names)
    write(tmp_path / "set/Flickr8k.token.txt", "".join(f"{name}#{n}\tA dog .\n" for name in names for n in range(5)))
    for split, part in {"train": names[:8], "dev": names[8:10], "test": names[10:]}.items():
        write(tmp_path / f"set/Flickr_8k.{split}Images.txt", "\n".join(part) + "\n")
    config, shown = initiated()
    assert "rows: 8 to learn from, 2 to validate on, 2 to test on; 12 of 12 images are there" in shown
    assert config.tasks["caption"].data["splits"]["val"]["files"]["images"] == "Flickr_8k.devImages.txt"


def test_text_tasks_are_known_by_their_folders(initiated, lab, tmp_path):
    row = "x\t1\t\tIt is a sentence.\n"
    glue = tmp_path / "set/glue_data"
    for name, rows in {"train": 8551, "dev": 1043}.items():
        write(glue / f"CoLA/{name}.tsv", row * rows)
    write(glue / "CoLA/test.tsv", "index\tsentence\n" + "".join(f"{n}\tIt is.\n" for n in range(1063)))
    pairs = "".join(f"{number}\ta\tb\tentailment\n" for number in range(30))
    write(glue / "RTE/train.tsv", "index\tsentence1\tsentence2\tlabel\n" + pairs)
    write(glue / "STS-B/dev.tsv", "index\n")
    config, shown = initiated()
    assert config.model.method == "hyperpelt" and not extracted(shown)
    assert "STS-B: has no train.tsv to learn stsb from" in shown
    # The published files, whole, are read by the shipped manifest; a part of them by one without counts.
    assert config.tasks["cola"].data.endswith("data/glue_cola.yaml") and config.tasks["cola"].root == str(glue / "CoLA")
    found, told = checked(lab)
    assert found == [] and "cola: split validation has 521 rows" in told and "rte: split train has 27 rows" in told


def test_a_second_data_set_of_a_task_has_a_key_of_its_own_and_the_same_one_is_left_out(initiated, tmp_path):
    coco(tmp_path / "set")
    ids = range(200, 206)
    write(tmp_path / "set/okvqa/OpenEnded_mscoco_val2014_questions.json", questions([id + 5000 for id in ids]))
    write(tmp_path / "set/okvqa/mscoco_val2014_annotations.json", answers([id + 5000 for id in ids], raw_answer="x"))
    records = [{"question_id": id, "image_id": id, "question": "What?", "answer": "bike"} for id in ids]
    write(tmp_path / "set/more/records_train.json", records)
    alike = [
        {"question_id": id * 1000, "img_id": f"COCO_val2014_{id:012d}", "sent": "What?", "label": {"x": 1}}
        for id in ids
    ]
    write(tmp_path / "set/more/karpathy_train.json", alike)
    config, shown = initiated()
    assert list(config.tasks) == ["vqa", "records", "caption"] and config.tasks["records"].task == "vqa"
    assert "karpathy_train.json: has the same questions as v2_OpenEnded_mscoco_train2014_questions.json" in shown
    assert "okvqa/mscoco_val2014_annotations.json: none of its 6 images is here" in shown


def test_pictures_of_one_name_are_extracted_one_folder_after_the_other(initiated, tmp_path):
    for folder in ("a", "b"):
        pictures(tmp_path / "set" / folder, "1.jpg", f"{folder}.jpg")
    write(tmp_path / "set/captions.json", {"1.jpg": "A dog.", "a.jpg": "A cat.", "b.jpg": "A cow."})
    assert extracted(initiated()[1]) == [["set/a"], ["set/b"]]


def test_other_projects_features_are_named_with_the_command_that_imports_them(initiated, tmp_path):
    coco(tmp_path / "set")
    with h5py.File(tmp_path / "set/train2014_obj36.h5", "w") as file:
        file["COCO_train2014_000000000100/features"] = np.zeros((36, 8), np.float32)
    write(tmp_path / "set/broken.h5", "no HDF5")
    shown = initiated()[1]
    assert (
        "train2014_obj36.h5: 1 images' features of VL-T5; to use them: vlhyper import-features set/train2014" in shown
    )
    assert "broken.h5: " in shown and extracted(shown)


def test_annotations_without_pictures_are_described_and_the_images_asked_for(initiated, tmp_path):
    write(tmp_path / "set/captions_val2014.json", captions("val2014", range(20)))
    config, shown = initiated()
    assert extracted(shown) == [["FOLDER_OF_IMAGES"]] and "20 images" in shown
    assert "image_key" not in config.tasks["caption"].data


def test_what_is_there_is_never_replaced(initiated, tmp_path):
    coco(tmp_path / "set")
    (tmp_path / "my_run.yaml").write_text("mine")
    with pytest.raises(UserError, match=r"my_run\.yaml: is there already; name another file with --out"):
        initiated()
    assert (tmp_path / "my_run.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ((), "set: no such folder"),
        (("a.png",), "set: nothing to learn from among 1 images; put annotations beside the images"),
    ],
)
def test_a_folder_without_annotations_is_told_what_it_lacks(made, told, initiated, tmp_path):
    if made:
        pictures(tmp_path / "set", *made)
    with pytest.raises(UserError, match=told):
        initiated()
    assert not (tmp_path / "my_run.yaml").exists()
