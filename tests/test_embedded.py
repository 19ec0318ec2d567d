"""Configuration and the embedded services."""

from __future__ import annotations

from pathlib import Path

import pytest

from keiken.sandbox.protocol import Egress
from marketplace import embedded
from marketplace.config import Configuration, ConfigurationError, read_configuration, secret_key


def test_an_empty_environment_means_the_embedded_parts() -> None:
    configuration = read_configuration({})
    assert (configuration.database_url, configuration.redis_url) == ("", "")
    assert configuration.site_url == "http://127.0.0.1:8470"
    assert not configuration.uses_https


def test_every_field_is_documented_and_read_from_its_variable() -> None:
    for name, field in Configuration.model_fields.items():
        assert field.alias, name
        assert field.description, name
    assert read_configuration({"KEIKEN_PORT": "9000"}).port == 9000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KEIKEN_PORT", "many"),
        ("KEIKEN_LEASE_SECONDS", "0"),
        ("KEIKEN_SANDBOX_DRIVERS", "bubblewrap,host"),
        ("KEIKEN_MIN_ISOLATION", "none"),
        ("KEIKEN_VERIFY_NETWORK", "perhaps"),
        ("KEIKEN_VERIFY_ADDRESSES", "10.0.0.1, everything"),
    ],
)
def test_a_value_that_cannot_be_read_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}: .*It takes: "):
        read_configuration({name: value})


def test_the_network_of_what_is_proven_is_off_unless_the_operator_allows_it() -> None:
    assert read_configuration({}).sandbox_policy.egress is None
    assert read_configuration({"KEIKEN_VERIFY_ADDRESSES": "10.0.0.1"}).sandbox_policy.egress is None
    allowed = read_configuration({"KEIKEN_VERIFY_NETWORK": "true", "KEIKEN_VERIFY_ADDRESSES": "10.0.0.1, ::1"})
    assert allowed.sandbox_policy.egress == Egress(addresses=frozenset({"10.0.0.1", "::1"}))


def test_the_secret_key_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    configuration = read_configuration({"KEIKEN_DATA_DIR": str(tmp_path)})
    first = secret_key(configuration)
    assert len(first) > 50
    assert secret_key(configuration) == first
    assert (tmp_path / "keys" / "django").stat().st_mode & 0o777 == 0o600


def test_addresses_follow_from_the_folder_alone(tmp_path: Path) -> None:
    assert embedded.database_url(Path("/d")) == "postgresql://postgres@%2Fd%2Fpostgres/postgres"
    assert embedded.redis_url(Path("/d")) == "unix:///d/valkey/valkey.sock"
    assert embedded.status(tmp_path) == {"postgresql": "stopped", "valkey": "stopped"}


def test_a_path_too_long_for_a_socket_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(embedded.EmbeddedServiceError, match="Set KEIKEN_DATA_DIR to a shorter one"):
        embedded.start(tmp_path / ("x" * 90), valkey=False)
