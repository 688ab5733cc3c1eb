"""A run resolved: what each task of a config is."""

import json

from vlhyper.readers import manifest


def test_each_task_has_its_number_splits_and_decoding(lab):
    tasks = lab.run("tasks.gqa.beams=4").tasks
    assert [task.number for task in tasks.values()] == [0, 1, 2, 3]
    assert (tasks["vqa"].decoding.beams, tasks["vqa"].decoding.max_new_tokens) == (1, 20)
    assert (tasks["caption"].decoding.beams, tasks["caption"].decoding.max_new_tokens) == (2, 6)
    assert tasks["gqa"].decoding.beams == 4
    assert tasks["vg_qa"].splits == {"train": "train", "val": None, "test": "test"}
    assert tasks["vqa"].split("val") == "val" and tasks["vqa"].split("unseen") == "unseen"
    assert tasks["vqa"].has("unseen") and not tasks["vqa"].has("nowhere")


def test_each_manifest_is_read_once(lab, monkeypatch):
    read = []

    def reading(path, *rest):
        read.append(str(path))
        return read_yaml(path, *rest)

    read_yaml = manifest.read_yaml
    monkeypatch.setattr(manifest, "read_yaml", reading)
    run = lab.run()
    assert len(read) == len(set(read)) == len(run.tasks) == 4


def test_a_method_without_images_is_given_none_whatever_the_task_asks_about(lab):
    run = lab.run("model.method=hyperpelt")
    assert not run.images and not run.mixed
    assert run.feature_files() == [lab.folder / "features.h5"]


def test_tasks_with_and_without_images_are_one_run(lab):
    table = {"train": {"files": {"table": "train.tsv"}}}
    data = {"name": "s", "format": "table", "splits": table, "fields": {"sentence": "sentence", "label": "label"}}
    run = lab.run(f"tasks.sst2={json.dumps({'data': data})}")
    assert [task.images for task in run.tasks.values()] == [True, True, True, True, False]
    assert run.images and run.mixed
