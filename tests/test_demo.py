"""The demo on a world of a few pictures and for a few steps, with small random models in place of the shipped ones."""

import pickle
import shutil
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from PIL import Image
from run_cases import forget_accelerate

from vlhyper.demo import Few, exhibits, prepare, run_demo
from vlhyper.errors import UserError
from vlhyper.fewshot.results import read_results
from vlhyper.files import read_json, write_json
from vlhyper.run.check import problems
from vlhyper.run.config import load_config, load_run

pytestmark = pytest.mark.usefixtures("fresh_process")

FEW = {"train": 16, "val": 4, "test": 8, "unseen": 8}
SHORT = [
    "training.steps=3",
    "training.decay=0",
    "validation.every=0",
    "model.embedding_width=8",
    "tasks.caption.beams=1",
]
SOME = Few({"okvqa": (4,)}, 2, ("training.steps=1", "validation.every=0"))
METRICS = {"vqa": {"overall"}, "gqa": {"accuracy"}, "caption": {"BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "CIDEr"}}


class Here(ThreadPoolExecutor):
    """Runs one thing after the other in this process: new ones would take most of the time, to import torch."""

    def __init__(self, *_) -> None:
        super().__init__(1)

    def submit(self, work, *arguments) -> Future:
        # What a process of its own is given and gives back must be what can be sent.
        sent, given = pickle.loads(pickle.dumps((work, arguments)))

        def alone():
            forget_accelerate()
            return pickle.loads(pickle.dumps(sent(*given)))

        return super().submit(alone)


@pytest.fixture(scope="module")
def models(lab, tmp_path_factory):
    """What stands where the shipped models do."""
    import json

    from encoder_cases import CONFIG, random_tower
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(lab.folder / "t5", folder / "t5")
    (folder / "clip.json").write_text(json.dumps(CONFIG))
    save_file({f"visual.{key}": v for key, v in random_tower(CONFIG).state_dict().items()}, folder / "clip.safetensors")
    return folder


@pytest.fixture(scope="module")
def ran(models, tmp_path_factory):
    """The folder of a demo and what it gave back."""
    forget_accelerate()
    out = tmp_path_factory.mktemp("demos") / "demo"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vlhyper.demo.tiny", lambda: models)
        patch.setattr("vlhyper.demo.ProcessPoolExecutor", Here)
        return out, run_demo(out, sizes=FEW, changes=SHORT, few=SOME)


def test_scores_of_model_and_control_have_the_contracts_shape(ran):
    out, result = ran
    assert read_json(out / "demo.json") == result
    assert result.keys() == {"model", "blind", "unseen", "fewshot", "seconds"}
    for systems in (result, result["unseen"]):
        for system in ("model", "blind"):
            assert systems[system].keys() == METRICS.keys()
            assert all(names <= systems[system][task].keys() for task, names in METRICS.items())
            values = [value for metrics in systems[system].values() for value in metrics.values()]
            assert all(isinstance(value, float) and value >= 0 for value in values)
    assert list(result["seconds"]) == [
        "draw",
        "extract",
        "train model",
        "evaluate model",
        "few-shot model",
        "train blind",
        "evaluate blind",
        "few-shot blind",
        "total",
    ]


def test_the_runs_differ_in_the_features_alone(ran):
    from vlhyper.run.config import differences, load_config

    out, _ = ran
    model, blind = (load_config(out / system / "config.yaml") for system in ("model", "blind"))
    assert differences(model, blind) == {"features.mismatched": "False, now True"}


def test_both_are_tuned_on_the_same_few_examples_of_new_tasks(ran):
    out, result = ran
    for system in ("model", "blind"):
        found = result["fewshot"][system]
        assert {task: list(by_shots) for task, by_shots in found.items()} == {task: ["0", "4"] for task in SOME.shots}
        for by_shots in found.values():
            assert by_shots["0"]["deviation"] is None and by_shots["4"]["deviation"] >= 0
            assert all(one["mean"] >= 0 for one in by_shots.values())
    samples = [
        {(one.task, one.shots, one.seed): one.sample_sha256 for one in read_results([out / system / "fewshot"])}
        for system in ("model", "blind")
    ]
    assert samples[0] == samples[1] and len(samples[0]) == 3
    assert all(one.title.endswith("mismatched images") for one in read_results([out / "blind/fewshot"]))
    assert (out / "fewshot.png").is_file() and (out / "fewshot.svg").is_file()


def test_pictures_are_one_png_with_question_and_answers(ran):
    out, _ = ran
    with Image.open(out / "demo.png") as image:
        assert image.format == "PNG" and image.width > 1000 and image.height > 600
    shown = exhibits(out)
    assert 6 <= len(shown) <= 8 and len({exhibit.image for exhibit in shown}) > 3
    assert all(exhibit.image.is_file() and exhibit.title.endswith("?") for exhibit in shown)
    assert [line.text.split(":")[0] for line in shown[0].lines] == ["model", "truth", "blind", "caption"]
    for exhibit in shown:
        said = dict(line.text.split(": ", 1) for line in exhibit.lines)
        judged = {line.text.split(":")[0]: line.right for line in exhibit.lines}
        assert judged["truth"] is None
        assert all(judged[system] == (said[system] == said["truth"]) for system in ("model", "blind"))


def test_a_caption_is_judged_by_itself(ran, tmp_path):
    """Also where the answer to the question is wrong."""
    out = tmp_path / "demo"
    shutil.copytree(ran[0], out)
    truth = read_json(out / "world/annotations/caption_test_annotations.json")["annotations"]
    references = {record["image_id"]: record["caption"] for record in truth}
    for right, change in ((True, str), (False, lambda caption: f"A picture of nothing but {caption}")):
        captions = [{"image_id": image, "caption": change(caption)} for image, caption in references.items()]
        write_json(out / "model/predictions/caption.test.json", captions)
        answers = [{**record, "answer": "no answer"} for record in read_json(out / "model/predictions/vqa.test.json")]
        write_json(out / "model/predictions/vqa.test.json", answers)
        for exhibit in exhibits(out):
            assert [line.right for line in exhibit.lines] == [False, None, exhibit.lines[2].right, right]


def test_a_table_for_each_split_is_printed(ran, capsys):
    from vlhyper.demo import show

    show(ran[1])
    out, err = capsys.readouterr()
    assert "new images" in out and "never seen" in out and "blind control" in out
    assert "few-shot: new tasks" in out and "okvqa" in out
    assert "total" in err


def test_the_config_of_the_demo_trains_again_as_it_says(ran, models):
    config = load_config(ran[0] / "demo.yaml", SHORT)
    assert config.model.backbone == str(models / "t5")
    assert not list(problems(config, lambda _: None))
    trained = load_run(ran[0] / "model")
    assert config == trained.model_copy(update={"features": config.features, "tasks": config.tasks})


def test_a_second_demo_in_the_same_folder_begins_anew(ran, tmp_path):
    shutil.copytree(ran[0], tmp_path / "demo")
    prepare(tmp_path / "demo")
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["demo.yaml"]


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "world").mkdir()
    (tmp_path / "world" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty and not the folder of a demo"):
        run_demo(tmp_path)
    assert (tmp_path / "world" / "thesis.txt").read_text() == "mine"
