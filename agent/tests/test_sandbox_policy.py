"""Which driver is used is the operator's choice: an order, and a level below which nothing runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from keiken import sandbox
from keiken.errors import SandboxUnavailable, UsageError
from keiken.sandbox import working_driver
from keiken.sandbox.policy import DRIVERS, Policy, policy_here, policy_of
from keiken.sandbox.protocol import Capability, Egress, Isolation


@dataclass
class Sham:
    """A driver of which only the self-test's result is known."""

    name: str
    isolation: Isolation
    working: bool = True

    def probe(self) -> Capability:
        return Capability(
            driver=self.name,
            working=self.working,
            isolation=self.isolation,
            limits_enforced=True,
            problem="" if self.working else f"{self.name} is broken.",
            advice="" if self.working else f"Mend {self.name}.",
            self_test={"trace": "contained" if self.working else "got through"},
        )

    def open(self, **_given: Any) -> Any:
        raise AssertionError("nothing is opened here")


@pytest.fixture
def shams(monkeypatch: pytest.MonkeyPatch) -> dict[str, Sham]:
    known = {"bubblewrap": Sham("bubblewrap", "namespace"), "oci": Sham("oci", "usermode-kernel")}
    monkeypatch.setattr(sandbox, "drivers", lambda: known)
    return known


def test_the_order_is_the_operators(shams: dict[str, Sham]) -> None:
    assert working_driver(policy=Policy()).name == "bubblewrap"
    assert working_driver(policy=Policy(order=("oci", "bubblewrap"))).name == "oci"
    shams["bubblewrap"].working = False
    assert working_driver(policy=Policy()).name == "oci"


def test_only_the_operators_leave_opens_a_way_out(shams: dict[str, Sham]) -> None:
    opened: list[Any] = []
    shams["bubblewrap"].open = lambda **given: opened.append(given["egress"])  # type: ignore[method-assign]
    wanted: dict[str, Any] = {"environment": None, "package": None, "commands": (), "network": (), "limits": None}
    leave = Egress(addresses=frozenset({"10.0.0.1"}))
    given = working_driver(policy=Policy(egress=leave))
    assert given.name == "bubblewrap"
    given.open(**wanted)
    assert opened == [leave]
    assert working_driver(policy=Policy()) is shams["bubblewrap"]
    assert policy_of("", "").egress is None


def test_a_driver_that_is_not_in_the_order_is_not_used_in_place_of_one_that_fails(shams: dict[str, Sham]) -> None:
    shams["bubblewrap"].working = False
    with pytest.raises(SandboxUnavailable) as refused:
        working_driver(policy=Policy(order=("bubblewrap",)))
    assert (refused.value.code, refused.value.advice) == ("no_working_sandbox", "Mend bubblewrap.")
    assert refused.value.details == {"self_test": {"bubblewrap": {"trace": "got through"}}}


def test_a_weaker_driver_is_passed_over_and_named_when_nothing_is_strong_enough(shams: dict[str, Sham]) -> None:
    assert working_driver(policy=Policy(minimum="usermode-kernel")).name == "oci"
    with pytest.raises(SandboxUnavailable) as refused:
        working_driver(policy=Policy(minimum="virtual-machine"))
    assert refused.value.code == "isolation_too_weak"
    assert "virtual-machine" in refused.value.message
    assert "bubblewrap: namespace, oci: usermode-kernel" in refused.value.message
    with pytest.raises(SandboxUnavailable) as refused:
        working_driver("bubblewrap", Policy(minimum="usermode-kernel"))
    assert refused.value.code == "isolation_too_weak"


def test_the_environment_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert policy_of("", "") == Policy(order=DRIVERS, minimum="namespace")
    monkeypatch.setenv("KEIKEN_SANDBOX_DRIVERS", " oci , bubblewrap,oci ")
    monkeypatch.setenv("KEIKEN_MIN_ISOLATION", "virtual-machine")
    assert policy_here() == Policy(order=("oci", "bubblewrap"), minimum="virtual-machine")


@pytest.mark.parametrize(
    ("order", "minimum", "code"),
    [
        ("bubblewrap,docker", "", "unknown_driver"),
        ("", "strong", "unknown_isolation"),
        ("", "none", "unknown_isolation"),
        ("", "landlock", "unknown_isolation"),
        ("host", "", "unknown_driver"),
    ],
)
def test_a_policy_that_cannot_be_kept_is_refused_by_name(order: str, minimum: str, code: str) -> None:
    with pytest.raises(UsageError) as refused:
        policy_of(order, minimum)
    assert refused.value.code == code
    assert (order.split(",")[-1] or minimum) in refused.value.message
