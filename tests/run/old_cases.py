"""Run folders written before methods were rows of sites, forms and makers: two finished runs, each also killed halfway.

The world is drawn again; features and the shipped T5 are those the runs were trained on. `whole.jsonl` is the log of
the same run when nobody killed it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from vlhyper.world import build, tiny

OLD = Path(__file__).parent / "old_runs"
METHODS = ("vl_hyperpelt", "vl_hyperpelt_prefix")


def lay_out(folder: Path) -> Path:
    """The old runs in `folder`, with the paths in their files made those of this machine."""
    build(folder, sizes={"train": 24, "val": 6, "test": 6, "unseen": 4})
    shutil.copytree(OLD, folder, dirs_exist_ok=True)
    for path in [*folder.glob("*/config.yaml"), *folder.glob("*/adapter_config.json")]:
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("LAB", str(folder)).replace("TINY", str(tiny())), encoding="utf-8")
    return folder
