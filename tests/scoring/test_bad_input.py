"""Whatever a file holds, scoring it ends in a figure or in one line that names the file: never in a traceback."""

import gzip
import json
import os
from pathlib import Path

import pytest
from gqa_cases import QUESTIONS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vqa_cases import annotation, official, write

from vlhyper.errors import UserError
from vlhyper.metrics import caption_scores
from vlhyper.scoring import score

GOOD = {
    "vqa": ("annotations", [{"question_id": 1, "answer": "no"}]),
    "okvqa": ("annotations", [{"question_id": 1, "answer": "no"}]),
    "gqa": ("questions", [{"questionId": key, "prediction": "no"} for key in ("01", "02", "04")]),
    "caption": ("annotations", [{"image_id": 5, "caption": "a dog"}]),
    "snli-ve": ("annotations", [{"pairID": "a#1", "prediction": "neutral"}]),
    "glue:cola": ("annotations", [{"id": 0, "prediction": "acceptable"}]),
}
BRACKETS = "[" * 100_000
FILES = {
    "not JSON": (b"[{", "not JSON"),
    "empty": (b"", "not JSON"),
    "not UTF-8": (b'[{"question_id": 1, "answer": "\xff"}]', "not UTF-8"),
    "UTF-16": ('[{"question_id": 1}]'.encode("utf-16"), "not UTF-8"),
    "nested": (BRACKETS.encode(), "nested too deeply"),
    "huge number": (b'[{"question_id": ' + b"9" * 5000 + b"}]", "thousands of digits"),
    "null": (b"null", "is null"),
    "object": (b'{"1": {"a": "no"}}', "is an object"),
    "text": (b'"no"', "is a text"),
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = ["question_id", "answer", "questionId", "prediction", "image_id", "caption", "pairID", "id"]
records = st.dictionaries(st.sampled_from(KEYS), st.sampled_from([1, 5, "1", "01", "a#1", "no", 0]) | json_values)


@pytest.fixture(scope="module")
def truths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("truths")
    (folder / "s.jsonl").write_text('{"pairID": "a#1", "gold_label": "neutral"}\n')
    (folder / "c.tsv").write_text("gj04\t1\t\tA dog.\n")
    vqa = official(folder / "a.json", [annotation(1, ["no"] * 10)])
    caption = {"images": [{"id": 5}], "annotations": [{"id": 1, "image_id": 5, "caption": "A dog."}]}
    return {
        "vqa": vqa,
        "okvqa": vqa,
        "gqa": write(folder / "g.json", QUESTIONS),
        "caption": write(folder / "k.json", caption),
        "snli-ve": str(folder / "s.jsonl"),
        "glue:cola": str(folder / "c.tsv"),
    }


def run(task, truths, predictions):
    options = {"metrics": "bleu"} if task == "caption" else {}
    return score(task, predictions=predictions, **{GOOD[task][0]: truths[task]}, **options)


@pytest.mark.parametrize("task", GOOD)
def test_the_good_case_is_good(task, truths):
    assert run(task, truths, GOOD[task][1]).n > 0


@pytest.mark.parametrize("task", GOOD)
@pytest.mark.parametrize("fault", FILES)
def test_files_that_are_none(task, fault, truths, tmp_path):
    content, words = FILES[fault]
    path = tmp_path / "p.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        run(task, truths, path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.parametrize("task", GOOD)
def test_folders_and_missing_files(task, truths, tmp_path):
    with pytest.raises(UserError, match="this is a folder"):
        run(task, truths, tmp_path)
    with pytest.raises(UserError, match="no such file"):
        run(task, truths, tmp_path / "none.json")


@pytest.mark.parametrize("task", GOOD)
def test_what_is_no_plain_file(task, truths, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(UserError, match="this is a device or a pipe"):
            run(task, truths, path)
    with pytest.raises(UserError, match="cannot be read"):
        run(task, truths, tmp_path / ("x" * 300))


@pytest.mark.parametrize("task", [task for task in GOOD if task != "caption"])
def test_truth_that_is_no_plain_file(task, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(UserError, match="this is a device or a pipe"):
            run(task, {task: path}, GOOD[task][1])


@pytest.mark.parametrize("task", GOOD)
def test_gzip_is_read_and_other_packings_are_told_apart(task, truths, tmp_path):
    ending = {"glue:cola": "tsv", "snli-ve": "jsonl"}.get(task, "json")
    (tmp_path / "predictions.json.gz").write_bytes(gzip.compress(json.dumps(GOOD[task][1]).encode()))
    (tmp_path / f"truth.{ending}.gz").write_bytes(gzip.compress(Path(truths[task]).read_bytes()))
    packed = {path.name.partition(".")[0]: path for path in tmp_path.iterdir()}
    plain = run(task, truths, GOOD[task][1]).to_json()
    assert run(task, {task: str(packed["truth"])}, packed["predictions"]).to_json() == plain
    packed["predictions"].write_bytes(b"\xfd7zX")
    with pytest.raises(UserError, match="this is a compressed file; unpack it first"):
        run(task, truths, packed["predictions"])


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc/self/fd: a shell's pipes have other names")
def test_the_pipe_of_a_shell_is_read_once(truths):
    # An id in quotes is left to the careful reader, which must find the pipe unread.
    reading, writing = os.pipe()
    os.write(writing, b'[{"question_id": "1", "answer": "no"}]')
    os.close(writing)
    assert run("vqa", truths, f"/proc/self/fd/{reading}").n == 1
    os.close(reading)


@pytest.mark.parametrize("task", GOOD)
@pytest.mark.parametrize("value", [None, 7, True, ["no"], {"a": 1}, float("nan"), "\ud800"])
def test_texts_that_are_none(task, value, truths):
    if task in ("snli-ve", "glue:cola") and isinstance(value, int):
        pytest.skip("a number, or true, can be a label")
    record = dict(GOOD[task][1][0])
    record[list(record)[1]] = value
    with pytest.raises(UserError, match=r"record 1.*(must be text|surrogate)"):
        run(task, truths, [record])


@pytest.mark.parametrize("task", GOOD)
@pytest.mark.parametrize("value", [None, 1.0, True, float("nan"), [1], {}])
def test_ids_that_are_none(task, value, truths):
    record = dict(GOOD[task][1][0])
    record[next(iter(record))] = value
    with pytest.raises(UserError, match=r"record 1.*: .* must be (an id|text)"):
        run(task, truths, [record])


@pytest.mark.parametrize("task", [task for task in GOOD if task != "caption"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(predictions=st.lists(records | json_values, max_size=3) | json_values)
def test_any_list_of_anything_gives_a_score_or_one_line(task, predictions, truths, tmp_path):
    path = tmp_path / "p.json"
    path.write_text(json.dumps(predictions), encoding="utf-8")
    try:
        report = run(task, truths, path)
    except UserError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)
    else:
        assert report.n > 0


TRUTH_READERS = ["vqa", "okvqa", "gqa", "caption", "snli-ve", "glue:cola", "glue:mrpc", "boolq"]
TRUTH_KEYS = ["annotations", "questions", "answers", "images", "split", "sentences", "label", "gold_label", "entailed"]
TRUTH_KEYS += ["types", "groups", "semantic", "is_topk_optimal", "Quality", "idx", "answer_type", "img_id"]
truth_values = st.dictionaries(
    st.sampled_from(KEYS + TRUTH_KEYS),
    json_values | st.lists(st.dictionaries(st.sampled_from(KEYS + TRUTH_KEYS), json_values, max_size=5), max_size=3),
    max_size=5,
)


@pytest.mark.parametrize("task", TRUTH_READERS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(truth=st.lists(truth_values, max_size=3) | truth_values | st.dictionaries(st.text(max_size=3), truth_values))
def test_any_annotations_give_a_score_or_one_line(task, truth, tmp_path):
    path = tmp_path / ("t.jsonl" if task in ("snli-ve", "boolq") else "t.json")
    path.write_text(json.dumps(truth), encoding="utf-8")
    file = "questions" if task == "gqa" else "annotations"
    predictions = GOOD.get(task, GOOD["glue:cola"])[1]
    try:
        options = {"metrics": "bleu"} if task == "caption" else {}
        score(task, predictions=predictions, **{file: str(path)}, **options)
    except UserError as error:
        assert str(path) in str(error) or "predictions" in str(error)
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"questions": []}, "has no list 'annotations'; its keys are questions"),
        ({"annotations": []}, "has no question"),
        ({"annotations": [{"question_id": 1}]}, r"record 1 \(question_id 1\) has no 'answers' of people"),
        ({"annotations": [{"question_id": 1, "answers": []}]}, "must be a list of about ten answers"),
        ({"annotations": [{"question_id": 1, "answers": "no"}]}, "'answers' must be a list, is 'no'"),
        ({"annotations": [{"question_id": 1, "answers": ["no", 7]}]}, "must be a JSON object, is 7"),
        ({"annotations": [{"question_id": 1, "answers": [{"raw": 1}]}]}, "has no 'answer'; its keys are 'raw'"),
        ({"annotations": [{"answers": ["no"]}]}, "record 1 has no 'question_id'; its keys are 'answers'"),
        ([annotation(1, ["no"]), annotation(1, ["no"])], "duplicate question_id 1;"),
    ],
)
def test_vqa_annotations(content, words, tmp_path):
    path = write(tmp_path / "a.json", content)
    with pytest.raises(UserError, match=words) as caught:
        score("vqa", predictions=GOOD["vqa"][1], annotations=path)
    assert path in str(caught.value)


def test_options_and_tasks_are_checked(truths):
    with pytest.raises(UserError, match="unknown task 'vqaa'; did you mean"):
        score("vqaa", predictions=[])
    with pytest.raises(UserError, match="scoring gqa takes no --variant; it takes"):
        score("gqa", predictions=[], questions=truths["gqa"], variant="official")
    with pytest.raises(UserError, match="scoring vqa needs --annotations"):
        score("vqa", predictions=[])
    with pytest.raises(UserError, match="annotations is a list; it must be a text"):
        score("vqa", predictions=[], annotations=[])
    with pytest.raises(UserError, match="partial is a text; it must be true or false"):
        score("vqa", predictions=[], annotations=truths["vqa"], partial="yes")
    with pytest.raises(UserError, match="task is a number; it must be one of vqa"):
        score(3, predictions=[])
    with pytest.raises(UserError, match="unknown caption metric 'ciderr'; did you mean 'cider'"):
        score("caption", predictions=[], annotations=truths["caption"], metrics="ciderr")


@pytest.mark.parametrize("content", [{}, [], {"questions": []}, {"yes": "no"}, {"yes": True}, [1]])
def test_a_vocabulary_that_is_none(truths, tmp_path, content):
    path = write(tmp_path / "v.json", content)
    with pytest.raises(UserError, match=r"v\.json: is .* an answer vocabulary is"):
        score("vqa", predictions=GOOD["vqa"][1], annotations=truths["vqa"], vocabulary=path)


@pytest.mark.parametrize("name", ["vqa predictions", "gqa questions", "snli-ve annotations"])
def test_a_key_that_stands_twice_is_no_answer(truths, tmp_path, name):
    """JSON readers keep the last of two members of one name without a word."""
    task, _, file = name.partition(" ")
    path = tmp_path / "twice.json"
    options = {"predictions": GOOD[task][1], GOOD[task][0]: truths[task]}
    given = json.dumps(GOOD[task][1]) if file == "predictions" else Path(truths[task]).read_text()
    key = {"vqa": '"answer":', "gqa": '"answer":', "snli-ve": '"gold_label":'}[task]
    assert key in given
    path.write_text(given.replace(key, f'{key} "other", {key}', 1))
    with pytest.raises(UserError, match=r"twice\.json: .*duplicate key"):
        score(task, **{**options, file: str(path)})


def test_captions_are_lists_and_not_texts():
    for captions, references in (("ab", ["a", "b"]), (["a dog runs"], ["a dog runs"])):
        with pytest.raises(ValueError, match="list of texts"):
            caption_scores(captions, references, "bleu")
    with pytest.raises(UserError, match="no caption metric is named"):
        caption_scores(["a dog"], [["a dog"]], [])


def test_one_of_two_records_tells_its_domain(tmp_path):
    records = [annotation(1, ["no"], is_topk_optimal=True), annotation(2, ["no"])]
    predictions = [{"question_id": number, "answer": "no"} for number in (1, 2)]
    found = score("vqa", predictions=predictions, annotations=official(tmp_path / "a.json", records))
    assert "only 1 of the annotations have" in found.skipped["in_domain"]
