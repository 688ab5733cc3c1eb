"""The figure of scores over examples."""

import re

from PIL import Image

from vlhyper.show.curves import Line, save_curves

PANELS = {
    "cb": [Line("HyperPELT", {0: (40.0, None), 4: (50.0, 2.0), 16: (60.0, 1.0)}), Line("Prompt", {4: (45.0, 3.0)})],
    "boolq": [Line("Prompt", {4: (55.0, 3.0), 2000: (61.0, None)})],
}


def test_a_panel_for_each_task_as_png_and_svg(tmp_path):
    png, svg = save_curves(PANELS, tmp_path / "figure.png")
    with Image.open(png) as image:
        assert image.format == "PNG" and image.width > 1000
        # Light: most of it is white.
        assert image.convert("L").histogram()[255] > 0.7 * image.width * image.height
    text = svg.read_text()
    shown = re.findall(r"<text[^>]*>([^<]+)</text>", text)
    assert {"cb", "boolq", "HyperPELT", "Prompt", "16", "2000", "training examples", "score"} <= set(shown)
    # Each model is named once, whatever the number of panels.
    assert shown.count("Prompt") == 1


def test_the_same_results_give_the_same_bytes(tmp_path):
    first = [path.read_bytes() for path in save_curves(PANELS, tmp_path / "one")]
    assert first == [path.read_bytes() for path in save_curves(PANELS, tmp_path / "two.svg")]
