"""RFC 7396 JSON merge patch on plain values: apply, diff and the equality both rest on."""

from __future__ import annotations

from typing import Any, TypeAlias

Path: TypeAlias = tuple[str, ...]


class NoMergePatch(ValueError):
    """RFC 7396 has no patch for this change: a null member would have to appear at `path`."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"no merge patch can set null at /{'/'.join(path)}")
        self.path = path


def apply(target: Any, patch: Any) -> Any:
    """`patch` applied to `target` (RFC 7396 section 2). Neither is changed; untouched parts are shared."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = apply(result.get(key), value)
    return result


def diff(target: Any, desired: Any, path: Path = ()) -> Any:
    """The least patch with `apply(target, patch) == desired`; `{}` between equal objects.

    Raises NoMergePatch where `desired` holds a null that `target` does not hold at the same place.
    """
    if not isinstance(desired, dict):
        return desired
    if not isinstance(target, dict):
        _refuse_nulls(desired, path)
        return desired
    patch: dict[str, Any] = {key: None for key in target if key not in desired}
    for key, value in desired.items():
        if key in target and equal(target[key], value):
            continue
        patch[key] = _member_patch(target.get(key), value, (*path, key))
    return patch


def _member_patch(before: Any, after: Any, path: Path) -> Any:
    if isinstance(before, dict) and isinstance(after, dict):
        return diff(before, after, path)
    _refuse_nulls(after, path)
    return after


def _refuse_nulls(value: Any, path: Path) -> None:
    if value is None:
        raise NoMergePatch(path)
    if isinstance(value, dict):
        for key, member in value.items():
            _refuse_nulls(member, (*path, key))


def equal(left: Any, right: Any) -> bool:
    """JSON equality: numbers by value, but a boolean is never a number."""
    if left is right:
        return True
    if isinstance(left, str):
        return type(left) is type(right) and bool(left == right)
    if isinstance(left, dict):
        return isinstance(right, dict) and len(left) == len(right) and _equal_members(left, right)
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(equal, left, right))
    return _equal_numbers(left, right)


def _equal_members(left: dict[str, Any], right: dict[str, Any]) -> bool:
    for key, value in left.items():  # noqa: SIM110  a generator takes twice as long
        if key not in right or not equal(value, right[key]):
            return False
    return True


def _equal_numbers(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    return isinstance(left, int | float) and isinstance(right, int | float) and left == right
