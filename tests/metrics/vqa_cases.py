"""Small files in the official layouts, for tests."""

import json


def write(path, value):
    path.write_text(json.dumps(value), encoding="utf-8")
    return str(path)


def annotation(question_id, answers, question_type="what is", answer_type="other", **more):
    people = [
        {"answer": answer, "answer_confidence": "yes", "answer_id": number} for number, answer in enumerate(answers, 1)
    ]
    head = {"question_id": question_id, "image_id": question_id // 1000, "answers": people}
    return head | {"question_type": question_type, "answer_type": answer_type} | more


def official(path, records):
    return write(path, {"annotations": records})


def karpathy(path, records):
    renamed = [{"img_id": f"COCO_val2014_{record['image_id']:012d}", **record} for record in records]
    return write(path, renamed)


def predicted(answers):
    return [{"question_id": identifier, "answer": answer} for identifier, answer in answers.items()]
