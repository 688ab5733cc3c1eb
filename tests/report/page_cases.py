"""Reads a page back: what it embeds, and the elements a browser would make of it."""

from __future__ import annotations

import base64
import gzip
import json
from html.parser import HTMLParser
from pathlib import Path

HOSTILE = '</script><img src=x onerror="document.title=1"> & "quoted" \u2028 <b>?'
QUESTIONS = ["What colour is it?", "Is there a dog?", "How many?", HOSTILE]
RIGHT = ["red", "yes", "3", HOSTILE]
TYPES = ["other", "yes/no", "number", HOSTILE]
GIVEN = {"ours": ["red", "no", "4", HOSTILE], "theirs": ["the red one", "yes", "", "blue"]}


class Parsed(HTMLParser):
    """Every start tag with its attributes, and the text of each element by its id."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, str] = {}
        self.words: list[str] = []
        self.inside = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self.inside = dict(attrs).get("id") or tag

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside in ("data", "pictures", "script", "style"):
            self.texts[self.inside] = self.texts.get(self.inside, "") + data
        elif data.strip():
            self.words.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def data(self):
        return json.loads(gzip.decompress(base64.b64decode(self.texts["data"])))

    @property
    def opening(self) -> list[tuple[list, list | None]]:
        """What each number opens: where, and none of."""
        buttons = [one for one in self.all("button") if "data-where" in one]
        return [(json.loads(one["data-where"]), json.loads(one.get("data-none", "null"))) for one in buttons]


def parsed(path: Path) -> Parsed:
    return Parsed(path.read_text(encoding="utf-8"))


def behind(section: dict, where: list, none: list | None = None) -> list[int]:
    """The samples behind a number, as the script of the page finds them."""
    columns = section["columns"]
    found = []
    for index in range(len(section["ids"])):
        labels = {
            name: column["labels"][column["of"][index]] for name, column in columns.items() if column["of"][index] >= 0
        }
        if all(labels.get(name) == label for name, label in where) and not (none and labels.get(none[0]) in none[1]):
            found.append(index)
    return found
