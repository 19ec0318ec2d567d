"""How an operator names the mail server and the networks that webhooks may reach."""

from __future__ import annotations

import pytest

from marketplace.config import ConfigurationError, MailServer, read_configuration


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", MailServer("mail.example", 587, "", "", False, True)),
        ("smtps://me:s%2Fecret@mail.example", MailServer("mail.example", 465, "me", "s/ecret", True, False)),
        ("smtp://127.0.0.1:2525", MailServer("127.0.0.1", 2525, "", "", False, False)),
    ],
)
def test_the_mail_server_is_read_from_one_address(url: str, server: MailServer) -> None:
    assert read_configuration({"KEIKEN_EMAIL_URL": url}).mail_server == server
    assert read_configuration({}).mail_server is None
    assert "ecret" not in repr(server)


@pytest.mark.parametrize("url", ["mail.example", "http://me:hunter2@mail.example", "smtp://me:hunter2/x@mail.example"])
def test_a_bad_address_is_refused_without_repeating_a_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_configuration({"KEIKEN_EMAIL_URL": url})
    assert str(caught.value).startswith("KEIKEN_EMAIL_URL: ")
    assert "hunter2" not in str(caught.value)


def test_networks_are_networks() -> None:
    assert read_configuration({"KEIKEN_WEBHOOK_NETWORKS": "10.1.0.0/16, ::1"}).webhook_networks == "10.1.0.0/16, ::1"
    with pytest.raises(ConfigurationError, match="KEIKEN_WEBHOOK_NETWORKS"):
        read_configuration({"KEIKEN_WEBHOOK_NETWORKS": "10.1.0.1/16"})


def test_an_embedding_endpoint_is_read_and_its_key_is_not_shown() -> None:
    given = {
        "KEIKEN_EMBEDDING_URL": "https://models.example/v1/",
        "KEIKEN_EMBEDDING_KEY": "hunter2",
        "KEIKEN_EMBEDDING_MODEL": "small",
    }
    configuration = read_configuration(given)
    assert (configuration.embedding_url, configuration.embedding_dimensions) == ("https://models.example/v1", 1024)
    assert "hunter2" not in repr(configuration)
    assert read_configuration({}).embedding_url == ""


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"KEIKEN_EMBEDDING_URL": "https://models.example/v1"}, "KEIKEN_EMBEDDING_MODEL"),
        ({"KEIKEN_EMBEDDING_URL": "models.example"}, "KEIKEN_EMBEDDING_URL"),
        ({"KEIKEN_EMBEDDING_URL": "https://me:hunter2@models.example"}, "KEIKEN_EMBEDDING_URL"),
        ({"KEIKEN_EMBEDDING_URL": "https://models.example/v1?key=hunter2"}, "KEIKEN_EMBEDDING_URL"),
        ({"KEIKEN_EMBEDDING_DIMENSIONS": "0"}, "KEIKEN_EMBEDDING_DIMENSIONS"),
        ({"KEIKEN_EMBEDDING_MIN_SIMILARITY": "2"}, "KEIKEN_EMBEDDING_MIN_SIMILARITY"),
    ],
)
def test_an_embedding_endpoint_that_cannot_be_is_refused_by_name(given: dict[str, str], name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(given)
    assert str(caught.value).startswith(f"{name}: ")
    assert "hunter2" not in str(caught.value)
