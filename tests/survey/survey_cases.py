"""Small folders as people have them."""

import json
from pathlib import Path

from PIL import Image


def pictures(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (8, 8)).save(folder / name)


def write(path: Path, content) -> Path:
    """A file of this text, or of this value as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def questions(ids, subset: str = "val2014"):
    found = [{"image_id": id, "question": "What is he riding?", "question_id": id * 1000} for id in ids]
    return {"info": {}, "task_type": "", "data_type": "mscoco", "data_subtype": subset, "questions": found}


def answers(ids, **more):
    people = [{"answer": "bike", "answer_confidence": "yes", "answer_id": number, **more} for number in range(10)]
    known = {"question_type": "what is", "answer_type": "other", "multiple_choice_answer": "bike", "answers": people}
    found = [{"question_id": id * 1000, "image_id": id, **known} for id in ids]
    return {"info": {}, "license": {}, "data_subtype": "val2014", "annotations": found}


def captions(subset: str, ids):
    images = [{"id": id, "file_name": f"COCO_{subset}_{id:012d}.jpg", "height": 8, "width": 8} for id in ids]
    told = [{"id": id, "image_id": id, "caption": "A man riding a bike."} for id in ids]
    return {"info": {}, "images": images, "annotations": told}


def karpathy(splits):
    """splits: (id of the image, COCO's split, Karpathy's split)."""
    found = [
        {
            "filename": f"COCO_{subset}_{id:012d}.jpg",
            "cocoid": id,
            "split": split,
            "sentences": [{"raw": "A man riding a bike.", "tokens": ["a"]}],
        }
        for id, subset, split in splits
    ]
    return {"images": found, "dataset": "coco"}


def coco(folder: Path) -> None:
    """COCO 2014 with VQA v2: twelve images of train, twelve of val."""
    for subset, first in {"train2014": 100, "val2014": 200}.items():
        ids = range(first, first + 12)
        pictures(folder / subset, *(f"COCO_{subset}_{id:012d}.jpg" for id in ids))
        write(folder / f"annotations/captions_{subset}.json", captions(subset, ids))
        boxes = [{"id": id, "image_id": id, "bbox": [0, 0, 1, 1], "category_id": 1} for id in ids]
        write(folder / f"annotations/instances_{subset}.json", {**captions(subset, ids), "annotations": boxes})
        write(folder / f"vqa/v2_OpenEnded_mscoco_{subset}_questions.json", questions(ids, subset))
        write(folder / f"vqa/v2_mscoco_{subset}_annotations.json", answers(ids))
    write(folder / "vqa/v2_OpenEnded_mscoco_test2015_questions.json", questions([7], "test2015"))
