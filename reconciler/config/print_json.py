"""Values as JSON text, laid out as the file around them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from reconciler.config.print import is_short

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class JsonFlow:
    """How a JSON file is laid out. `unit` is one level's indentation; without it everything stays on one line."""

    unit: str = "  "
    eol: str = "\n"
    colon: str = ": "
    comma: str = ", "
    short_lists: bool = True
    """Whether a list without objects and lists in it stands on one line."""

    def value(self, value: Any, indent: str = "", style: str = "") -> str:
        """`value`, where `indent` is the white space before the line on which it starts."""
        match value:
            case dict():
                return self._enclose("{}", [self.member(key, value[key], indent + self.unit) for key in value], indent)
            case list():
                items = [self.value(item, indent + self.unit) for item in value]
                return self._enclose("[]", items, indent, short=self.short_lists and is_short(value))
            case _:
                return json.dumps(value, ensure_ascii=isinstance(value, str) and bool(_HALF_CHARACTER.search(value)))

    def member(self, key: str, value: Any, indent: str = "") -> str:
        return f"{self.value(key)}{self.colon}{self.value(value, indent)}"

    def _enclose(self, brackets: str, parts: list[str], indent: str, *, short: bool = False) -> str:
        if not parts or short or not self.unit:
            return brackets[0] + self.comma.join(parts) + brackets[1]
        separator = "," + self.eol + indent + self.unit
        return brackets[0] + separator[1:] + separator.join(parts) + self.eol + indent + brackets[1]
