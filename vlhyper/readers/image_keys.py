"""Templates that lead from the image ids of annotations to the ids of a feature file, found from the ids themselves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

from vlhyper.errors import UserError, first_few
from vlhyper.readers.images import ImageId, Matches, match_images, tried

# Ids of annotations from which templates are made. Each template is then tried on all of them.
SAMPLE = 20
_KEY = re.compile(r"(.*?)(\d{1,18})(\D*)", re.DOTALL)


def found_by(raw_ids: Sequence[str], known: Collection[str], split: str) -> Counter[str]:
    """How many of `raw_ids` each template finds among `known`, for every template that finds one.

    `{id}` is tried before all else. Where a key has the text `split` in it, which fills {split}, the template with
    {split} in its place is counted too.
    """
    counts: Counter[str] = Counter()
    numbers = {number for raw in _spread(raw_ids) if (number := _number(raw)) is not None}
    for template in dict.fromkeys(["{id}", *_templates(known, numbers)]):
        if count := len(match_images(raw_ids, [template], known).keys):
            counts[template] = count
            if (general := _with_split(template, split)) != template:
                counts[general] = count
    return counts


def best_of(counts: Counter[str]) -> list[str]:
    """The template that finds most; several where they find equally many and lead to different keys.

    Of equals those with {split} are right for other splits too, and count alone.
    """
    most = max(counts.values(), default=0)
    best = [template for template, count in counts.items() if count == most]
    best = [template for template in best if "{split}" in template] or best
    # Two widths that find the same images lead to the same keys.
    return list({re.sub(r"\{id:0\d+d\}", "{id:d}", template): template for template in reversed(best)}.values())[::-1]


def require_all(matches: Matches, templates: Collection[str], where: str, known: Sequence[str], split: str) -> None:
    """Raises UserError where images have no features: names the first ids and what was tried for them.

    Where no image has any it says what `known` holds, and the image_key that would find them.
    """
    if not matches.missing:
        return
    first = matches.missing[0]
    attempt = f"tried {first_few(tried(first, templates), 6)} for {first}"
    if matches.keys:
        few = first_few(matches.missing)
        raise UserError(
            f"{where}: {len(matches.missing)} images have no features ({few}); {attempt}; extract them or add their "
            "key to image_key"
        )
    best = best_of(found_by(matches.missing, known, split))
    advice = f"try image_key: {' or '.join(map(repr, best))}" if best else "are they of another data set?"
    holds = f"the feature file holds ids such as {first_few(_spread(known, 3), 3)}"
    raise UserError(f"{where}: none of its {len(matches.missing)} images has features; {attempt}; {holds}; {advice}")


def _spread(items: Sequence[str], count: int = SAMPLE) -> list[str]:
    return list(items[:: max(1, -(-len(items) // count))])


def _number(raw: str) -> int | None:
    try:
        return int(format(ImageId(raw), "d"))
    except ValueError:
        return None


def _templates(known: Iterable[str], numbers: Collection[int]) -> Iterator[str]:
    """The spellings that ids with these numbers have: text before and after, and the width of the number."""
    for key in known:
        if (parts := _KEY.fullmatch(key)) and int(parts[2]) in numbers:
            before, after = (text.replace("{", "{{").replace("}", "}}") for text in (parts[1], parts[3]))
            # Without a leading zero the number may be as long as it is, or filled up to this width by chance.
            widths = [f"0{len(parts[2])}d"] if parts[2][0] == "0" else ["d", f"0{len(parts[2])}d"]
            yield from (f"{before}{{id:{width}}}{after}" for width in widths)


def _with_split(template: str, split: str) -> str:
    """The template with {split} for the text that fills it, where this is a word of its own."""
    return re.sub(rf"(?<![A-Za-z]){re.escape(split)}(?![A-Za-z])", "{split}", template, count=1)
