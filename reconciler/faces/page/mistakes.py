"""What is wrong with what was typed into a form, beside the inputs that it is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.faces.http.problems import HttpProblem


@dataclass(frozen=True, slots=True)
class Wrong:
    """A mistake, beside the input that it is about; "" where it is about none."""

    input: str
    text: str


@dataclass(frozen=True, slots=True)
class Mistakes:
    """All that is wrong with what was typed; `patch` is what somebody else may write instead."""

    all: tuple[Wrong, ...] = ()
    patch: str = ""
    at: Mapping[str, str] = field(default_factory=dict)


def mistakes_of(wrong: Iterable[Wrong], patch: str = "") -> Mistakes:
    """These mistakes, and the first of each input by its name."""
    every = tuple(wrong)
    return Mistakes(every, patch, {one.input: one.text for one in reversed(every)})


def refusal(input: str, problem: HttpProblem) -> Mistakes:
    """Why something was refused with the way out, beside an input, and each single problem of it."""
    hint = problem.body.get("hint")
    single = [Wrong("", each["detail"]) for each in problem.body.get("problems", ())]
    return mistakes_of([Wrong(input, f"{problem}: {hint}" if hint else str(problem)), *single])
