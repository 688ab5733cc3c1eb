import pytest

from vlhyper.errors import UserError

KARPATHY = {
    "question_id": 458752000,
    "img_id": "COCO_train2014_000000458752",
    "sent": "What is he riding?",
    "question_type": "what is",
    "answer_type": "other",
    "label": {"skateboard": 1, "board": 0.3},
    "is_topk_optimal": True,
    "answers": [{"answer": "skateboard", "answer_confidence": "yes", "answer_id": 1}],
}
LXMERT = {key: KARPATHY[key] for key in ("question_id", "img_id", "sent", "label")}
VG = {"question_id": "vg_986768", "img_id": "2375429", "sent": "What color is the clock?", "label": {"green": 1.0}}
SUBMIT = {"question_id": "07333408", "img_id": "n1", "sent": "What is on the white wall?"}


def test_the_layouts_of_three_projects(put, rows):
    put("q.json", [KARPATHY, VG, SUBMIT])
    assert rows("vl-t5", {"questions": "q.json"}) == [
        {
            "id": "458752000",
            "image": "COCO_train2014_000000458752",
            "question": "What is he riding?",
            "targets": ["skateboard", "board"],
            "weights": [1.0, 0.3],
        },
        {
            "id": "vg_986768",
            "image": "2375429",
            "question": "What color is the clock?",
            "targets": ["green"],
            "weights": [1.0],
        },
        {"id": "07333408", "image": "n1", "question": "What is on the white wall?", "targets": [], "weights": []},
    ]


def test_lxmerts_file_reads_as_vl_t5s(put, rows):
    put("minival.json", [LXMERT])
    put("karpathy.json", [KARPATHY])
    assert rows("vl-t5", {"questions": "minival.json"}) == rows("vl-t5", {"questions": "karpathy.json"})


def test_an_empty_label_is_a_row_without_targets(put, rows):
    put("q.json", [{**KARPATHY, "label": {}}])
    assert rows("vl-t5", {"questions": "q.json"})[0]["targets"] == []


def test_several_files_make_one_split(put, rows):
    put("train.json", [VG])
    put("valid.json", [SUBMIT])
    assert [row["id"] for row in rows("vl-t5", {"questions": ["train.json", "valid.json"]})] == [
        "vg_986768",
        "07333408",
    ]


def test_a_wrong_label_is_named(put, rows):
    put("q.json", [{**VG, "label": ["green"]}])
    with pytest.raises(UserError, match=r"q\.json: record 1 \(question_id vg_986768\) 'label' must map answers"):
        rows("vl-t5", {"questions": "q.json"})


def test_an_empty_answer_is_no_target(put, rows):
    put("q.json", [{**VG, "label": {"": 1}}, {**KARPATHY, "label": {"": 1, "board": 0.3}}])
    assert [(row["targets"], row["weights"]) for row in rows("vl-t5", {"questions": "q.json"})] == [
        ([], []),
        (["board"], [0.3]),
    ]
