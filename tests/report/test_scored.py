"""`vlhyper score --report`: the file that is written, read back."""

import base64
import hashlib
import io
import json
import re

import pytest
from page_cases import GIVEN, HOSTILE, QUESTIONS, behind, parsed
from PIL import Image

from vlhyper.cli import run
from vlhyper.errors import UserError
from vlhyper.metrics.report import Report
from vlhyper.report.asked import asked, texts_of
from vlhyper.report.section import make_section


def test_every_sample_is_there_with_question_answers_and_scores(page):
    [section] = parsed(page).data["sections"]
    words = section["words"]
    assert section["ids"] == [str(number) for number in range(20)]
    assert section["texts"]["question"] == QUESTIONS * 5
    assert section["systems"] == ["ours", "theirs"]
    assert [[words[one] for one in given[:4]] for given in section["answers"]] == list(GIVEN.values())
    assert section["scores"] == [[[100, 0, 0, 100] * 5, [0, 100, 0, 0] * 5]]
    first = section["right"][0]
    assert [(words[first[place]], first[place + 1]) for place in (0, 2)] == [("red", 8), ("none", 2)]


def test_what_a_number_opens_is_what_it_counts(page):
    found = parsed(page)
    [section] = found.data["sections"]
    counted = re.findall(r'<button type="button" class="open" [^>]*>([\d,]+)</button>', page.read_text())
    buttons = [one for one in found.all("button") if one.get("class") == "open" and "data-metric" not in one]
    assert len(counted) == len(buttons) > 20
    for count, button in zip(counted, buttons, strict=True):
        where, none = json.loads(button["data-where"]), json.loads(button.get("data-none", "null"))
        assert len(behind(section, where, none)) == int(count.replace(",", "")), (where, none)
    # The bars: the mean of what each opens is the number on it.
    scores = section["scores"][0][0]
    members = behind(section, [["answer_type", "yes/no"]])
    assert sum(scores[one] for one in members) / len(members) == 0 and len(members) == 5
    assert section["columns"]["outcome of ours"]["labels"] == ["right", "no for yes", "another number"]
    assert section["columns"]["compared with theirs"]["labels"] == ["ours better", "theirs better", "equal"]


def test_nothing_that_a_user_wrote_becomes_an_element(page):
    found = parsed(page)
    assert len(found.all("script")) == 3 and not found.all("img") and not found.all("b")
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    # It is shown as what it is: as a type, among the answers, and as what its number opens.
    assert HOSTILE in found.words
    assert ([["answer_type", HOSTILE]], None) in found.opening


def test_the_page_loads_nothing_and_runs_only_its_own_script(page):
    found = parsed(page)
    [policy] = [one["content"] for one in found.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256(found.texts["script"].encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; ") and f"script-src 'sha256-{digest}'" in policy
    assert not any({"src", "action"} & attributes.keys() for _, attributes in found.tags)
    assert all(one["href"].startswith("#") for one in found.all("a"))
    assert not re.search(r"url\(|@import|https?:", found.texts["style"] + found.texts["script"])


def test_pictures_are_found_by_their_numbers(page):
    found = parsed(page)
    data = found.data
    [section] = data["sections"]
    number_of = dict(zip(section["images"], section["pictures"], strict=True))
    assert [number_of[image] for image in section["images"]] == section["pictures"]
    assert sorted(number_of.values()) == list(range(10))
    number = section["pictures"][6]
    start = data["ends"][number - 1] if number else 0
    with Image.open(io.BytesIO(base64.b64decode(found.texts["pictures"][start : data["ends"][number]]))) as picture:
        assert picture.format == "WEBP" and max(picture.size) <= 320
        # Of image 3, whose red is 60.
        assert abs(picture.convert("RGB").getpixel((5, 5))[0] - 60) < 12


def test_tables_have_headers_and_buttons_have_names(page):
    found = parsed(page)
    assert len(found.all("th")) > 20 and all("scope" in one for one in found.all("th"))
    assert found.all("html") == [{"lang": "en"}]
    assert [one["aria-labelledby"] for one in found.all("dialog")] == ["b-title"]


def test_two_systems_are_compared_in_pairs(page):
    words = parsed(page).words
    assert "difference to ours" in words and "-25.00" in words
    assert "ours and theirs on the same items" in words


@pytest.mark.parametrize(
    ("task", "truth", "given", "shows"),
    [
        (
            "gqa",
            ("--questions", {"1": {"question": "Is it?", "imageId": "n7", "answer": "yes"}}),
            [{"questionId": "1", "prediction": "no"}],
            {"texts": {"question": ["Is it?"]}, "images": ["n7"]},
        ),
        (
            "caption",
            (
                "--annotations",
                {
                    "images": [{"id": 5, "file_name": "b_5.jpg"}],
                    "annotations": [{"image_id": 5, "caption": "a red dog on the green grass"}],
                },
            ),
            [{"image_id": 5, "caption": "a dog"}],
            {"texts": {}, "images": ["b_5"], "prose": True},
        ),
        (
            "snli-ve",
            (
                "--annotations",
                {
                    "pairID": "4.jpg#2r1n",
                    "gold_label": "neutral",
                    "Flickr30K_ID": "4.jpg",
                    "sentence2": "A man.",
                },
            ),
            [{"pairID": "4.jpg#2r1n", "prediction": "neutral"}],
            {"texts": {"hypothesis": ["A man."]}, "images": ["4"]},
        ),
    ],
)
def test_every_kind_of_task_has_its_texts(task, truth, given, shows, tmp_path):
    option, content = truth
    ending = ".tsv" if isinstance(content, str) else ".json"
    (tmp_path / f"truth{ending}").write_text(content if isinstance(content, str) else json.dumps(content))
    (tmp_path / "p.json").write_text(json.dumps(given))
    files = [option, str(tmp_path / f"truth{ending}"), "--predictions", str(tmp_path / "p.json")]
    metrics = ["--metrics", "cider"] if task == "caption" else []
    run(["score", task, *files, *metrics, "--report", str(tmp_path / "page.html")])
    [section] = parsed(tmp_path / "page.html").data["sections"]
    assert {key: section[key] for key in shows} == shows


@pytest.mark.parametrize(
    ("task", "table", "texts"),
    [
        ("glue:cola", "gj04\t1\t\tThe sailors rode.\n", {"sentence": "The sailors rode."}),
        ("glue:mrpc", "Quality\t#1 String\t#2 String\n1\ta\tb\n", {"sentence1": "a", "sentence2": "b"}),
        (
            "glue:mnli",
            "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tneutral\n",
            {"premise": "a", "hypothesis": "b"},
        ),
        ("glue:wnli", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\t1\n", {"sentence1": "a", "sentence2": "b"}),
    ],
)
def test_the_texts_of_published_tables_are_found(task, table, texts, tmp_path):
    (tmp_path / "dev.tsv").write_text(table)
    rows, why = asked(task, {"annotations": tmp_path / "dev.tsv"})
    assert ([texts_of(row) for row in rows.values()], why) == ([texts], "")


def test_grades_are_grouped_by_how_far_they_are_off():
    report = Report("stsb", 3, {"pearson": 50.0}, ids=["0", "1", "2"], items={"squared_error": [0.0, 1.0, 9.0]})
    report.answers, report.right = ["3.0", "2.0", "5"], [3.0, 3.0, 2.0]
    section = make_section("stsb", {"t5": report}, {}, [""] * 3)
    assert [(one.label, one.cell.count) for one in section.outcomes["t5"]] == [
        ("within 0.5", 1),
        ("0.5 to 1 off", 1),
        ("more than 2 off", 1),
    ]
    assert section.lower_is_better and section.confusions["t5"].rows == ["2", "3"]


def test_without_questions_the_page_says_what_to_give(vqa):
    arguments = ["score", "vqa", "--annotations", str(vqa / "a.json"), "--predictions", str(vqa / "ours.json")]
    run([*arguments, "--report", str(vqa / "bare.html")])
    assert "give --questions too" in " ".join(parsed(vqa / "bare.html").words)


def test_pictures_of_other_images_are_told(vqa, tmp_path):
    (tmp_path / "dog.jpg").write_bytes(b"")
    arguments = ["score", "vqa", "--annotations", str(vqa / "a.json"), "--predictions", str(vqa / "ours.json")]
    run([*arguments, "--report", str(tmp_path / "page.html"), "--images", str(tmp_path)])
    assert f"None of the 1 pictures in {tmp_path} is of an image such as 0." in parsed(tmp_path / "page.html").words


def test_a_folder_that_is_not_there_is_an_error_before_anything_is_written(vqa):
    arguments = ["score", "vqa", "--annotations", str(vqa / "a.json"), "--predictions", str(vqa / "ours.json")]
    with pytest.raises(UserError, match="no such folder"):
        run([*arguments, "--report", str(vqa / "never.html"), "--images", str(vqa / "none")])
    assert not (vqa / "never.html").exists()
