"""A manifest: what a data set is, which files it consists of, where they come from and how they are read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from vlhyper.errors import UserError, nearest
from vlhyper.readers.formats import FORMATS, Format
from vlhyper.readers.images import check_template
from vlhyper.readers.source import Source, expand
from vlhyper.readers.table import WRITTEN, text_columns
from vlhyper.settings import Strict, read_yaml, validated
from vlhyper.shipped import INSTALLED

DATA_FOLDER = "VLHYPER_DATA"


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _written(value: Any) -> Any:
    """YAML does not read 0 and True as text; as labels they are meant as written."""
    return {str(key): str(label) for key, label in value.items()} if isinstance(value, Mapping) else value


Texts = Annotated[list[str], BeforeValidator(_listed)]
Labels = Annotated[dict[str, str], BeforeValidator(_written)]


class ColumnPart(Strict):
    """The first group of `pattern` in a column's text."""

    column: str
    pattern: str


class Hub(Strict):
    """A data set of the hub; naming one is what allows the network."""

    id: str
    split: str
    config: str | None = None
    revision: str | None = None


class Download(Strict):
    """Where a file comes from. `inside` names it within an archive at `url`, to which the `archive_` values apply."""

    url: str | None = None
    inside: str | None = None
    sha256: str | None = None
    bytes: int | None = None
    archive_sha256: str | None = None
    archive_bytes: int | None = None
    note: str | None = None


class Numbering(Strict):
    """A table that says how two data sets number the same images: the columns of this one's ids and of the other's."""

    file: str
    id: str
    other: str


class Exclude(Strict):
    """Images whose rows a split leaves out: those of other splits, `manifest` and `splits`, or of a file of `ids`.

    `manifest` is relative to the folder of the manifest it stands in, `ids` (an image id a line) and the file of
    `through` to its root. `through` is for data sets that number images differently.
    """

    manifest: str | None = None
    splits: Texts = Field(default_factory=list)
    ids: str | None = None
    through: Numbering | None = None

    @model_validator(mode="after")
    def _names_images(self) -> Exclude:
        if (self.manifest is None) == (self.ids is None) or bool(self.splits) != (self.manifest is not None):
            raise ValueError("name a manifest with its splits, or a file of ids")
        return self

    @property
    def files(self) -> list[str]:
        table = None if self.through is None else self.through.file
        return [path for path in (self.ids, table) if path is not None]


class Split(Strict):
    """The files of one split by role, and how its rows are taken from them.

    `count` is the number of rows it must have, `part` one of splits.PARTS, `image_split` what fills {split} in
    image_key, `exclude` the images whose rows are left out, `submission` how the test server wants the file of its
    answers to be called.
    """

    files: dict[str, Texts] = Field(default_factory=dict)
    hub: Hub | None = None
    count: int | None = Field(None, gt=0)
    image_split: str | None = None
    subset: Literal["train", "val", "test"] | None = None
    part: Literal["first-half", "second-half", "held-out", "all-but-held-out"] | None = None
    held_out: int = Field(1000, gt=0)
    seed: int = 0
    exclude: list[Exclude] = Field(default_factory=list)
    submission: str | None = Field(None, pattern=r"^[\w.-]+$")


class Manifest(Strict):
    # It begins the name of a file.
    name: str = Field(pattern=r"^[\w.-]+$")
    about: str = ""
    licence: str = ""
    homepage: str = ""
    format: str
    root: str = "."
    image_key: Texts = Field(default=["{id}"], min_length=1)
    features: Texts = Field(default_factory=list)
    fields: dict[str, str | int | list[str | int | None] | ColumnPart] | None = None
    labels: Labels | None = None
    round_labels: float | None = Field(None, gt=0)
    header: bool | None = True
    short_lines: Literal["refuse", "skip"] = "refuse"
    answers: Literal["stemmed", "raw"] = "stemmed"
    splits: dict[str, Split] = Field(min_length=1)
    sources: dict[str, Download] = Field(default_factory=dict)

    @property
    def layout(self) -> Format:
        return FORMATS[self.format]

    @model_validator(mode="after")
    def _fits_its_format(self) -> Manifest:
        if self.format not in FORMATS:
            raise ValueError(f"unknown format {self.format!r}{nearest(self.format, FORMATS)}")
        for template in self.image_key:
            check_template(template)
        for name, split in self.splits.items():
            self._check_split(name, split)
        return self

    def _check_split(self, name: str, split: Split) -> None:
        layout = self.layout
        roles = layout.roles + layout.optional
        for role in split.files:
            if role not in roles:
                raise ValueError(f"split {name}: format {self.format} has no files {role!r}{nearest(role, roles)}")
        for role in layout.roles:
            if role not in split.files:
                raise ValueError(f"split {name}: format {self.format} needs files {role!r}")
        known = {option for other in FORMATS.values() for option in other.options}
        for option in sorted(known & (self.model_fields_set | split.model_fields_set) - set(layout.options)):
            raise ValueError(f"split {name}: format {self.format} does not know {option!r}")
        options = self._options(split)
        for option in layout.required:
            if options.get(option) is None:
                raise ValueError(f"split {name}: format {self.format} needs {option!r}")
        if not split.files and split.hub is None:
            raise ValueError(f"split {name}: names neither files nor a data set of the hub")
        if ("karpathy" in split.files) != (split.subset is not None) and self.format == "vqa":
            raise ValueError(f"split {name}: 'subset' and the files 'karpathy' belong together")

    def _options(self, split: Split) -> dict[str, Any]:
        """The settings of manifest and split that the format knows."""
        settings = self.model_dump() | split.model_dump()
        return {option: settings[option] for option in self.layout.options}

    def split(self, name: str) -> Split:
        if name not in self.splits:
            raise UserError(f"{self.name}: unknown split {name!r}{nearest(name, self.splits)}")
        return self.splits[name]

    def source(self, name: str) -> Source:
        """What the reader of a split is given: paths under `root` and options. The files need not exist."""
        split = self.split(name)
        files = {role: tuple(Path(self.root, path) for path in paths) for role, paths in split.files.items()}
        return Source(files, self._options(split), self._hides(split))

    def _hides(self, split: Split) -> bool:
        """Whether test splits alone read these files: of all others a lacking column of targets is a mistake."""
        alike = (name for name, other in self.splits.items() if (other.files, other.hub) == (split.files, split.hub))
        return all(name.startswith("test") for name in alike)

    def missing(self, name: str) -> list[str]:
        """A line for each file of a split that is not there, with where to get it."""
        split = self.split(name)
        if split.hub is not None and not any(expand(path) for path in self.source(name).all_paths):
            return []
        written = [path for paths in split.files.values() for path in paths]
        written += [path for entry in split.exclude for path in entry.files]
        own = [
            f"{Path(self.root, path)} is missing{self._where_from(path, split)}"
            for path in written
            if not expand(Path(self.root, path))
        ]
        return own + self._missing_elsewhere(split)

    def _missing_elsewhere(self, split: Split) -> list[str]:
        """The lines of other data sets, whose images the split leaves out."""
        found: dict[str, None] = {}
        for entry in split.exclude:
            other = None if entry.manifest is None else load_manifest(entry.manifest)
            found |= {line: None for name in entry.splits if other for line in other.missing(name)}
        return list(found)

    def _where_from(self, path: str, split: Split) -> str:
        packed = [f"{self.root}/{path}{ending}" for ending in (".zip", ".gz")]
        if found := next((name for name in packed if Path(name).exists()), None):
            return f"; unpack {found}"
        known = self.sources.get(path)
        if known is None and split.hub is not None:
            return f"; the hub's {split.hub.id} has it"
        if known is None:
            return f"; {self.homepage} tells where to get it" if self.homepage else ""
        facts = [
            f"{known.inside} in it" if known.inside else "",
            f"{known.archive_bytes:,} bytes" if known.archive_bytes else "",
            f"SHA-256 {known.archive_sha256}" if known.archive_sha256 else "",
        ]
        told = ", ".join(filter(None, facts))
        got = f"; get it from {known.url}" + (f" ({told})" if told else "") if known.url else ""
        return got + (f"; {known.note}" if known.note else "")

    def image_templates(self, name: str) -> list[str]:
        """`image_key` with {split} filled by the split's `image_split`, or its name."""
        filling = self.split_in_keys(name)
        return [template.replace("{split}", filling) for template in self.image_key]

    def split_in_keys(self, name: str) -> str:
        """What fills {split} in `image_key`."""
        return self.split(name).image_split or name

    @property
    def lacks_image_key(self) -> bool:
        """Whether `image_key` is left out."""
        return "image_key" not in self.model_fields_set

    def with_image_key(self, templates: list[str]) -> Manifest:
        """The same data set with another `image_key`. Raises UserError for what is no template."""
        for template in templates:
            check_template(template)
        return self.model_copy(update={"image_key": templates})

    def feature_paths(self) -> list[Path]:
        return [Path(self.root, path) for path in self.features]

    @property
    def texts(self) -> tuple[str, ...]:
        """The text columns of this data set's rows."""
        return self.layout.texts + text_columns(self.fields or {})

    @property
    def columns(self) -> tuple[str, ...]:
        """The text columns, and that of grades or people's answers as they were before a reader rounded or counted."""
        keeps = self.round_labels or (self.format == "table" and "answers" in (self.fields or {}))
        return self.texts + ((WRITTEN,) if keeps else ())


def load_manifest(value: str | Path | Mapping[str, Any], base: Path | None = None, root: str | None = None) -> Manifest:
    """The manifest in a YAML file, or the mapping that a config has instead of a path; its `root` is made absolute.

    A path of a manifest is relative to `base` (default: the working folder), `root` to the folder of the
    manifest; `$VLHYPER_DATA` in it means the folder of all data sets, or the manifest's own where it is not set (of one
    in the installed package, `data` in the current directory).
    The argument `root` replaces the manifest's. Raises UserError that names the file and the key at fault.
    """
    base = base or Path()
    if isinstance(value, Mapping):
        content, folder, where = dict(value), base, f"manifest {value.get('name', '(without a name)')}"
    else:
        path = base / value
        content, folder, where = read_yaml(path, "a manifest"), path.parent, str(path)
    manifest = validated(Manifest, content | ({} if root is None else {"root": root}), where)
    splits = {name: _placed(split, folder.absolute()) for name, split in manifest.splits.items()}
    return manifest.model_copy(update={"root": str(_root(manifest.root, folder.absolute())), "splits": splits})


def _placed(split: Split, folder: Path) -> Split:
    """The split with the manifests that it names made absolute."""
    placed = [
        entry.model_copy(update={"manifest": str(folder / entry.manifest)}) if entry.manifest is not None else entry
        for entry in split.exclude
    ]
    return split.model_copy(update={"exclude": placed})


def _root(written: str, folder: Path) -> Path:
    # Nobody's data sets lie in the installed package.
    own = Path.cwd() / "data" if folder.is_relative_to(INSTALLED) else folder
    data = os.environ.get(DATA_FOLDER) or str(own)
    return folder / Path(written.replace(f"${DATA_FOLDER}", data)).expanduser()
