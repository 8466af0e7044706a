"""What a case is, what it may say, and what came of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any


class Failed(Exception):
    """The endpoint (or the client) did not do what the case expects."""


class Skipped(Exception):
    """The case cannot be tried here; the text says why."""


@dataclasses.dataclass(frozen=True)
class Case:
    """One thing a client does, with what is needed to try it."""

    title: str
    run: Callable[..., None]
    transport: bool = False  # worth repeating over https, where framing differs
    holdfast: bool = False  # an extension: only Holdfast can pass it


class Cases(list[Case]):
    """The cases of one client, gathered by decorating functions."""

    def __call__(self, title: str, **marks: bool) -> Callable[..., Any]:
        def register(function: Callable[..., None]) -> Callable[..., None]:
            self.append(Case(title, function, **marks))
            return function

        return register


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One row of the report."""

    client: str
    version: str
    case: str
    verdict: str  # ok, FAILED or skipped
    note: str = ""
    seconds: float = 0.0


class Client:
    """A client under test: its name, how to find it, and what it is asked to do."""

    name: str
    cases: Cases

    def __init__(self, world: Any) -> None:
        self.world = world

    def missing(self) -> str | None:
        """Why this client cannot run here, or None."""
        return None

    def version(self) -> str:
        """The version the client itself reports."""
        raise NotImplementedError
