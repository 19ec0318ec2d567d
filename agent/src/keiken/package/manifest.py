"""The typed shape of ``experience.yaml``, format 1. The published JSON Schema is made from it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

JsonValue = Any
"""A JSON value: pydantic has checked that it came from YAML scalars, lists and mappings."""

NAME_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
IDENTIFIER_PATTERN = r"^[a-z][a-z0-9_]*$"
SEMVER_PATTERN = (
    r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$"
)
REFERENCE_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*/[a-z0-9]+(-[a-z0-9]+)*$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=64)]
Identifier = Annotated[str, StringConstraints(pattern=IDENTIFIER_PATTERN, max_length=64)]
SemVer = Annotated[str, StringConstraints(pattern=SEMVER_PATTERN, max_length=64)]
Reference = Annotated[str, StringConstraints(pattern=REFERENCE_PATTERN, max_length=129)]
Expression = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
EnvironmentVariable = Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]*$", max_length=64)]


class Shape(BaseModel):
    """Unknown keys are refused: a typing error must not silently switch a check off."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_max_length=200_000, defer_build=True)


class Permissions(Shape):
    """All that a replay may touch; enforced by the executor and shown to the buyer."""

    commands: list[ShortText] = Field(default_factory=list, max_length=100)
    write: list[ShortText] = Field(default_factory=list, max_length=100)
    network: list[ShortText] = Field(default_factory=list, max_length=100)
    tools: list[ShortText] = Field(default_factory=list, max_length=100)


class Retry(Shape):
    attempts: int = Field(default=3, ge=1, le=10)
    delay_seconds: float = Field(default=1, ge=0, le=60)


class HttpAction(Shape):
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    url: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    headers: dict[str, str] = Field(default_factory=dict, max_length=50)
    body: str | None = None
    timeout_seconds: float = Field(default=10, gt=0, le=120)
    verify_tls: bool = True


class Replacement(Shape):
    find: Annotated[str, StringConstraints(min_length=1)]
    replace: str
    count: int = Field(default=1, ge=1, le=1000)


class FileAction(Shape):
    """Exactly one of ``write``, ``template``, ``patch`` and ``remove`` names the file acted on."""

    write: str | None = None
    template: str | None = None
    patch: str | None = None
    remove: str | None = None
    content: str | None = None
    source: str | None = None
    values: dict[Identifier, str] = Field(default_factory=dict)
    replacements: list[Replacement] = Field(default_factory=list, max_length=100)
    mode: Annotated[str, StringConstraints(pattern=r"^0[0-7]{3}$")] | None = None

    @property
    def kind(self) -> Literal["write", "template", "patch", "remove"]:
        for kind in ("write", "template", "patch", "remove"):
            if getattr(self, kind) is not None:
                return kind
        raise AssertionError("the validator admits exactly one kind")

    @property
    def path(self) -> str:
        return str(getattr(self, self.kind))

    @model_validator(mode="after")
    def _one_kind_with_its_fields(self) -> Self:
        kinds = [k for k in ("write", "template", "patch", "remove") if getattr(self, k) is not None]
        if len(kinds) != 1:
            raise ValueError("a file action has exactly one of write, template, patch, remove")
        needs = {
            "write": (self.content is None) == (self.source is None) and "content or source",
            "template": self.source is None and "source",
            "patch": not self.replacements and "replacements",
            "remove": False,
        }[kinds[0]]
        if needs:
            raise ValueError(f"a file {kinds[0]} needs {needs}")
        return self


ACTIONS = ("run", "shell", "http", "file", "ask")


class Step(Shape):
    """One action with its state precondition, its postconditions and its outputs."""

    id: Identifier
    title: ShortText | None = None
    run: list[str] | None = Field(default=None, min_length=1, max_length=200)
    shell: Annotated[str, StringConstraints(min_length=1, max_length=20_000)] | None = None
    http: HttpAction | None = None
    file: FileAction | None = None
    ask: ShortText | None = None
    env: dict[EnvironmentVariable, str] = Field(default_factory=dict, max_length=50)
    stdin: str | None = None
    timeout_seconds: float = Field(default=60, gt=0, le=3600)
    when: Expression | None = None
    requires: list[Expression] = Field(default_factory=list, max_length=50)
    expect: list[Expression] = Field(default_factory=list, max_length=50)
    outputs: dict[Identifier, Expression] = Field(default_factory=dict, max_length=50)
    retry: Retry | None = None

    @property
    def action(self) -> str:
        """The name of the step's one action, for example ``run``."""
        return next(name for name in ACTIONS if getattr(self, name) is not None)

    @property
    def is_idempotent(self) -> bool:
        """Whether carrying it out twice does what doing it once does (for HTTP: RFC 9110, section 9.2.2)."""
        if self.http is not None:
            return self.http.method in ("GET", "HEAD", "PUT", "DELETE")
        if self.file is not None:
            return self.file.kind != "patch"
        return self.ask is not None

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        found = [name for name in ACTIONS if getattr(self, name) is not None]
        if len(found) != 1:
            raise ValueError(f"step '{self.id}' has {len(found)} actions ({', '.join(found) or 'none'}); one is needed")
        if self.shell is not None and "${{" in self.shell:
            raise ValueError(
                f"step '{self.id}': a parameter never becomes script text; "
                "pass it through 'env' and use it as \"$NAME\""
            )
        if (self.env or self.stdin is not None) and self.action not in ("run", "shell"):
            raise ValueError(f"step '{self.id}': env and stdin belong to run and shell steps")
        return self


class Service(Shape):
    """A process a scenario needs: started before the steps, killed after them."""

    run: list[str] = Field(min_length=1, max_length=200)
    env: dict[EnvironmentVariable, str] = Field(default_factory=dict)
    ready: Expression
    timeout_seconds: float = Field(default=15, gt=0, le=120)


class Scenario(Shape):
    """One way the marketplace proves the experience, again and again."""

    name: ShortText
    environments: list[Name] = Field(default_factory=lambda: ["debian-12"], min_length=1, max_length=20)
    files: dict[str, str] = Field(default_factory=dict, max_length=100)
    services: list[Service] = Field(default_factory=list, max_length=10)
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    secrets: dict[Identifier, str] = Field(default_factory=dict)
    facts: dict[str, JsonValue] = Field(default_factory=dict)
    answers: dict[Identifier, bool] = Field(default_factory=dict)
    expect: list[Expression] = Field(default_factory=list, max_length=50)
    outcome: Literal["succeeded", "refused", "diverged"] = "succeeded"
    at: Identifier | None = Field(default=None, description="the step where it must diverge")

    @model_validator(mode="after")
    def _at_only_when_diverging(self) -> Self:
        if self.at is not None and self.outcome != "diverged":
            raise ValueError(f"scenario '{self.name}': 'at' belongs to the outcome diverged")
        return self


class Manifest(Shape):
    """``experience.yaml``: level 1 of an experience."""

    experience: Literal["1"]
    name: Name
    version: SemVer
    title: ShortText
    summary: Annotated[str, StringConstraints(max_length=1000)] = ""
    topics: list[Name] = Field(default_factory=list, max_length=10)
    license: ShortText
    conditions: dict[str, JsonValue] = Field(default_factory=dict, max_length=100)
    parameters: dict[Identifier, dict[str, JsonValue]] = Field(default_factory=dict, max_length=100)
    secrets: list[Identifier] = Field(default_factory=list, max_length=20)
    permissions: Permissions = Permissions()
    steps: list[Step] = Field(min_length=1, max_length=200)
    invariants: list[Expression] = Field(default_factory=list, max_length=50)
    result: dict[Identifier, Expression] = Field(default_factory=dict, max_length=50)
    undo: list[Step] = Field(default_factory=list, max_length=200)
    scenarios: list[Scenario] = Field(default_factory=list, max_length=50)
    supersedes: list[Reference] = Field(default_factory=list, max_length=20)
    conflicts: list[Reference] = Field(default_factory=list, max_length=20)
    provenance: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        _refuse_doubles("step id", [step.id for step in [*self.steps, *self.undo]])
        _refuse_doubles("scenario name", [scenario.name for scenario in self.scenarios])
        _refuse_doubles("secret or parameter", [*self.secrets, *self.parameters])
        steps = {step.id for step in self.steps}
        for scenario in self.scenarios:
            for step in filter(None, [scenario.at, *scenario.answers]):
                if step not in steps:
                    raise ValueError(f"scenario '{scenario.name}' names the step '{step}', which does not exist")
        return self

    @property
    def major(self) -> int:
        """The version line: ratings and grants belong to it."""
        return int(re.split(r"\.", self.version, maxsplit=1)[0])


def _refuse_doubles(what: str, names: list[str]) -> None:
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise ValueError(f"the {what} '{doubles[0]}' is used twice")
