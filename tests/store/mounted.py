"""A directory as a cluster mounts a ConfigMap: its files behind `..data`, which every update leads elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

NAME = "reconciler.yaml"


def mounted(folder: Path, text: str) -> Path:
    """Mount a first text; answers where the file is seen."""
    folder.mkdir()
    swap(folder, text)
    (folder / NAME).symlink_to(f"..data/{NAME}")
    return folder / NAME


def swap(folder: Path, text: str) -> None:
    """Update it: a new directory, one rename of a link, and the old directory goes."""
    old = [each for each in folder.iterdir() if each.is_dir() and not each.is_symlink()]
    made = folder / f"..2026_11_21_16_09_{10 + int(old[0].name[-2:]) - 9 if old else 10}"
    made.mkdir()
    (made / NAME).write_text(text, encoding="utf-8")
    (folder / "..data_tmp").symlink_to(made.name, target_is_directory=True)
    (folder / "..data_tmp").replace(folder / "..data")
    for each in old:
        shutil.rmtree(each)
