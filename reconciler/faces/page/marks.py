"""Why an action waits for a yes, in words."""

from __future__ import annotations

from collections.abc import Mapping

MARKS: Mapping[str, str] = {
    "launch": "something would be run or reached that nobody said yes to",
    "loosen": "less would be asked, or more allowed, than before",
    "with-settings": "a change of the settings that hold for it waits",
    "mass-delete": "very many servers would be deleted at once",
    "protected": "it is protected from deletion",
}
"""By mark."""
