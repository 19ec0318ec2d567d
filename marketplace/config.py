"""Everything an operator can set, as one typed object read once from the environment."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from accounts.domain.addresses import networks_of
from keiken.errors import UsageError
from keiken.sandbox.policy import Policy, policy_of
from keiken.sandbox.protocol import Egress

PROJECT = Path(__file__).resolve().parent.parent


class ConfigurationError(Exception):
    """An environment variable cannot be read; the message names it and what it takes."""


def default_data_dir() -> Path:
    """One folder per checkout, so that two clones on one machine never share a database."""
    base = Path("/var/lib/keiken") if os.geteuid() == 0 else Path.home() / ".local/share/keiken"
    return base / hashlib.sha256(str(PROJECT).encode()).hexdigest()[:10]


@dataclass(frozen=True)
class MailServer:
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    uses_tls: bool
    uses_starttls: bool


def mail_server_of(url: str) -> MailServer:
    """Raises ValueError, which never repeats the password. A server on loopback is spoken to in the clear."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        # The reason would show what stands where the port belongs: a password with a slash, say.
        raise ValueError("its port is no number; write / in a password as %2F") from None
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError("it is no smtp:// or smtps:// address")
    is_tls, is_local = parts.scheme == "smtps", parts.hostname in ("localhost", "127.0.0.1", "::1")
    return MailServer(
        host=parts.hostname,
        port=port or (465 if is_tls else 587),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        uses_tls=is_tls,
        uses_starttls=not is_tls and not is_local,
    )


class Configuration(BaseModel):
    """Each field is read from the variable named in ``alias``; the description is its documentation."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    data_dir: Path = Field(
        default_factory=default_data_dir,
        alias="KEIKEN_DATA_DIR",
        description="Folder for the embedded database and broker, blobs, keys and logs.",
    )
    database_url: str = Field(
        "",
        alias="DATABASE_URL",
        description="postgresql://… of a real server; empty means the embedded PostgreSQL.",
    )
    redis_url: str = Field(
        "", alias="REDIS_URL", description="redis://… of a real server; empty means the embedded Valkey."
    )
    debug: bool = Field(False, alias="KEIKEN_DEBUG", description="Django's debug pages. Never in production.")
    secret_key: str = Field(
        "",
        alias="KEIKEN_SECRET_KEY",
        description="Signs sessions; empty means one made at first start and kept in the data folder.",
    )
    host: str = Field("127.0.0.1", alias="KEIKEN_HOST", description="Address the web server listens on.")
    port: int = Field(8470, ge=1, le=65535, alias="KEIKEN_PORT", description="Port the web server listens on.")
    public_url: str = Field(
        "",
        alias="KEIKEN_PUBLIC_URL",
        description="https://… as people reach it; empty means http://host:port and no HTTPS enforcement.",
    )
    allowed_hosts: str = Field(
        "localhost,127.0.0.1,[::1]",
        alias="KEIKEN_ALLOWED_HOSTS",
        description="Host names the site answers to, separated by commas.",
    )
    environments: str = Field(
        "debian-12,debian-12-web,debian-12-data",
        alias="KEIKEN_ENVIRONMENTS",
        description="Environments this worker proves experiences in, separated by commas.",
    )
    sandbox_drivers: str = Field(
        "bubblewrap,oci",
        alias="KEIKEN_SANDBOX_DRIVERS",
        description="Sandbox drivers this worker may use, the preferred one first, separated by commas.",
    )
    min_isolation: str = Field(
        "namespace",
        alias="KEIKEN_MIN_ISOLATION",
        description="namespace, usermode-kernel or virtual-machine: nothing is proven in a sandbox that is weaker.",
    )
    verify_network: bool = Field(
        False,
        alias="KEIKEN_VERIFY_NETWORK",
        description="Let what is proven here reach the hosts it declares, through the filtering proxy.",
    )
    verify_addresses: str = Field(
        "",
        alias="KEIKEN_VERIFY_ADDRESSES",
        description="Addresses of inner networks it may reach where it declares them itself, separated by commas.",
    )
    reverify_days: int = Field(
        30,
        ge=1,
        alias="KEIKEN_REVERIFY_DAYS",
        description="A version is verified only while a passing attestation is younger than this.",
    )
    reverify_least_days: int = Field(
        1,
        ge=1,
        alias="KEIKEN_REVERIFY_LEAST_DAYS",
        description="The shortest age that an organization may ask for: what it asks for, the workers must do.",
    )
    reverify_on_environment_change: bool = Field(
        True,
        alias="KEIKEN_REVERIFY_ON_ENVIRONMENT_CHANGE",
        description="Prove everything again when the root file system behind an environment's name has changed.",
    )
    reverify_on_new_environment: bool = Field(
        False,
        alias="KEIKEN_REVERIFY_ON_NEW_ENVIRONMENT",
        description="Try everything in environments that it does not name, too. Otherwise organizations ask for it.",
    )
    reverify_reports: int = Field(
        2,
        ge=1,
        alias="KEIKEN_REVERIFY_REPORTS",
        description="So many diverged or failed reports from the field since the last proof ask for another.",
    )
    reverify_request_minutes: int = Field(
        10,
        ge=0,
        alias="KEIKEN_REVERIFY_REQUEST_MINUTES",
        description="How long a publisher waits between two requests to prove a version again.",
    )
    min_check_strength: float = Field(
        0.2,
        ge=0,
        lt=1,
        alias="KEIKEN_MIN_CHECK_STRENGTH",
        description="Checks whose share of noticed wrong effects has a lower bound (95 %) below it prove nothing.",
    )
    lease_seconds: int = Field(
        120,
        ge=2,
        alias="KEIKEN_LEASE_SECONDS",
        description="How long a worker may be silent before its verification is given to another.",
    )
    nudge_seconds: float = Field(
        5,
        gt=0,
        alias="KEIKEN_NUDGE_SECONDS",
        description="How often beat looks for verifications that wait or whose worker went silent.",
    )
    upload_max_bytes: int = Field(
        16 << 20, ge=1024, alias="KEIKEN_UPLOAD_MAX_BYTES", description="Largest package that may be published."
    )
    rate_anonymous: str = Field(
        "120/min", alias="KEIKEN_RATE_ANONYMOUS", description="API requests of a stranger, per address."
    )
    rate_known: str = Field("1200/min", alias="KEIKEN_RATE_KNOWN", description="API requests of a person or agent.")
    stripe_api_key: str = Field(
        "",
        alias="STRIPE_API_KEY",
        description="A restricted key of Stripe; empty means orders are paid by invoice, confirmed by the operator.",
    )
    stripe_webhook_secret: str = Field(
        "", alias="STRIPE_WEBHOOK_SECRET", description="whsec_…, with which Stripe signs its webhooks."
    )
    stripe_api_base: str = Field(
        "https://api.stripe.com", alias="STRIPE_API_BASE", description="Where Stripe's API answers."
    )
    fee_basis_points: int = Field(
        1000,
        ge=0,
        le=10_000,
        alias="KEIKEN_FEE_BASIS_POINTS",
        description="The platform's part of each net price, in hundredths of a percent.",
    )
    tax_basis_points: int = Field(
        0,
        ge=0,
        le=10_000,
        alias="KEIKEN_TAX_BASIS_POINTS",
        description="Tax on invoices, in hundredths of a percent. With Stripe, Stripe Tax decides instead.",
    )
    invoice_seller: str = Field(
        "",
        alias="KEIKEN_INVOICE_SELLER",
        description="Who writes invoices and statements: legal name and address, with | between the lines.",
    )
    invoice_tax_id: str = Field(
        "", alias="KEIKEN_INVOICE_TAX_ID", description="The operator's tax or registration number on invoices."
    )
    invoice_bank: str = Field(
        "", alias="KEIKEN_INVOICE_BANK", description="Where invoices are paid to, with | between the lines."
    )
    email_url: str = Field(
        "",
        alias="KEIKEN_EMAIL_URL",
        description="smtp://user:password@host:port (STARTTLS) or smtps://…; empty means files below the data folder.",
    )
    email_from: str = Field("", alias="KEIKEN_EMAIL_FROM", description="Sender of mails; empty means keiken@ the host.")

    webhook_networks: str = Field(
        "",
        alias="KEIKEN_WEBHOOK_NETWORKS",
        description="Private networks webhooks may call, also by http, separated by commas: 10.1.0.0/16, 127.0.0.1.",
    )

    embedding_url: str = Field(
        "",
        alias="KEIKEN_EMBEDDING_URL",
        description="Base URL of an OpenAI-compatible endpoint, https://…/v1; empty means search by words alone.",
    )
    embedding_api_key: str = Field(
        "", repr=False, alias="KEIKEN_EMBEDDING_KEY", description="The key that the embedding endpoint asks for."
    )
    embedding_model: str = Field(
        "",
        validate_default=True,
        alias="KEIKEN_EMBEDDING_MODEL",
        description="The embedding model, by the endpoint's name for it. Another one embeds everything again.",
    )
    embedding_dimensions: int = Field(
        1024, ge=8, le=4096, alias="KEIKEN_EMBEDDING_DIMENSIONS", description="How many numbers its vectors have."
    )
    embedding_shortens: bool = Field(
        False,
        alias="KEIKEN_EMBEDDING_SHORTENS",
        description="Ask the endpoint for that many: for models that can shorten their vectors.",
    )
    embedding_min_similarity: float = Field(
        0.4,
        ge=-1,
        le=1,
        alias="KEIKEN_EMBEDDING_MIN_SIMILARITY",
        description="The least cosine that counts as close in meaning; models differ much in it.",
    )

    embedding_queries_per_minute: int = Field(
        600,
        ge=0,
        alias="KEIKEN_EMBEDDING_QUERIES_PER_MINUTE",
        description="So many new queries a minute go to the endpoint, of all askers; for more, words alone answer.",
    )

    @field_validator("embedding_url")
    @classmethod
    def _is_endpoint(cls, value: str) -> str:
        if value:
            parts = urlsplit(value)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("it is no http:// or https:// address")
            if parts.username or parts.password or parts.query or parts.fragment:
                raise ValueError("it holds more than an address; the key belongs into KEIKEN_EMBEDDING_KEY")
        return value.rstrip("/")

    @field_validator("embedding_model")
    @classmethod
    def _is_named(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("embedding_url") and not value:
            raise ValueError("KEIKEN_EMBEDDING_URL is set, so a model must be named")
        if len(value) > 200:
            raise ValueError("it is longer than 200 characters")
        return value

    @field_validator("email_url")
    @classmethod
    def _is_mail_server(cls, value: str) -> str:
        if value:
            mail_server_of(value)
        return value

    @field_validator("webhook_networks")
    @classmethod
    def _is_networks(cls, value: str) -> str:
        networks_of(value)
        return value

    @field_validator("sandbox_drivers", "min_isolation")
    @classmethod
    def _is_known(cls, value: str, info: ValidationInfo) -> str:
        try:
            policy_of(*((value, "") if info.field_name == "sandbox_drivers" else ("", value)))
        except UsageError as error:
            raise ValueError(f"{error.message} {error.advice}") from None
        return value

    @field_validator("verify_addresses")
    @classmethod
    def _are_addresses(cls, value: str) -> str:
        for address in _listed(value):
            ipaddress.ip_address(address)
        return value

    @property
    def sandbox_policy(self) -> Policy:
        egress = Egress(addresses=frozenset(_listed(self.verify_addresses))) if self.verify_network else None
        return replace(policy_of(self.sandbox_drivers, self.min_isolation), egress=egress)

    @property
    def site_url(self) -> str:
        return self.public_url.rstrip("/") or f"http://{self.host}:{self.port}"

    @property
    def uses_https(self) -> bool:
        return self.site_url.startswith("https://")

    @property
    def mail_server(self) -> MailServer | None:
        return mail_server_of(self.email_url) if self.email_url else None

    @property
    def payments(self) -> str:
        """The payment driver of new orders."""
        return "stripe" if self.stripe_api_key else "invoice"

    @property
    def environment_names(self) -> list[str]:
        return [name.strip() for name in self.environments.split(",") if name.strip()]

    @property
    def signing_key_path(self) -> Path:
        return self.data_dir / "keys" / "signing.pem"

    @property
    def blob_dir(self) -> Path:
        return self.data_dir / "blobs"


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def read_configuration(environ: Mapping[str, str] = os.environ) -> Configuration:
    """The configuration of this process. Raises ConfigurationError naming the variable at fault."""
    names = {field.alias for field in Configuration.model_fields.values() if field.alias}
    given: dict[str, Any] = {name: environ[name] for name in names if environ.get(name)}
    try:
        return Configuration(**given)
    except ValidationError as error:
        first = error.errors()[0]
        # A default that is at fault is told by the field's own name.
        place = str(first["loc"][0])
        field = next(f for name, f in Configuration.model_fields.items() if place in (f.alias, name))
        raise ConfigurationError(f"{field.alias}: {first['msg']}. It takes: {field.description}") from None


def secret_key(configuration: Configuration) -> str:
    """The configured key, else one kept in the data folder, readable by its owner only."""
    if configuration.secret_key:
        return configuration.secret_key
    path = configuration.data_dir / "keys" / "django"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(50))
    return path.read_text()
