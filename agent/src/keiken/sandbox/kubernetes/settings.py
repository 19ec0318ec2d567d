"""What an operator says of the cluster, read from environment variables; nothing has a default that could reach one."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from keiken.errors import SandboxUnavailable
from keiken.i18n import _
from keiken.sandbox.protocol import Environment

API, NAMESPACE, RUNTIME_CLASS, IMAGES = (
    "KEIKEN_KUBERNETES_API",
    "KEIKEN_KUBERNETES_NAMESPACE",
    "KEIKEN_KUBERNETES_RUNTIME_CLASS",
    "KEIKEN_KUBERNETES_IMAGES",
)
TOKEN_FILE, CA_FILE = "KEIKEN_KUBERNETES_TOKEN_FILE", "KEIKEN_KUBERNETES_CA_FILE"
START_SECONDS = "KEIKEN_KUBERNETES_START_SECONDS"
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]*@sha256:[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An environment's root as the cluster pulls it; ``environment`` is the digest of the root it was made from."""

    reference: str
    environment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where and how Pods are made."""

    api: str
    namespace: str
    runtime_class: str
    images: Mapping[str, Image]
    token_file: Path
    ca_file: Path | None
    start_seconds: float

    def image_of(self, environment: Environment) -> Image:
        """The image of just this environment. Raises SandboxUnavailable."""
        image = self.images.get(environment.name)
        if image is None or image.environment != environment.digest:
            raise SandboxUnavailable(
                "environment_image_missing",
                _("The cluster has no image of the environment '{name}' with the digest {digest}.").format(
                    name=environment.name, digest=environment.digest
                ),
                _("Push its root file system as an image and name both digests in {variable}.").format(variable=IMAGES),
            )
        return image

    def token(self) -> str:
        """Read anew each time: clusters replace it about every hour. Raises SandboxUnavailable."""
        try:
            return self.token_file.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as trouble:
            raise _unusable(TOKEN_FILE, str(trouble)) from None


def cluster_here(environ: Mapping[str, str] = os.environ) -> Cluster | None:
    """None where no cluster is named. Raises SandboxUnavailable for a value that cannot be used."""
    api = environ.get(API, "").strip().rstrip("/")
    if not api:
        return None
    parts = urlsplit(api)
    is_private = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not is_private or not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        raise _unusable(API, _("it is no https:// address"))
    names = {variable: environ.get(variable, "").strip() for variable in (NAMESPACE, RUNTIME_CLASS)}
    for variable, name in names.items():
        if not _LABEL.fullmatch(name):
            raise _unusable(variable, _("'{name}' is no name in a cluster").format(name=name))
    ca_file = environ.get(CA_FILE) or (str(_ACCOUNT / "ca.crt") if (_ACCOUNT / "ca.crt").exists() else "")
    return Cluster(
        api=api,
        namespace=names[NAMESPACE],
        runtime_class=names[RUNTIME_CLASS],
        images=_images(Path(environ.get(IMAGES, ""))),
        token_file=Path(environ.get(TOKEN_FILE) or _ACCOUNT / "token"),
        ca_file=Path(ca_file) if ca_file else None,
        start_seconds=_seconds(environ.get(START_SECONDS, "120")),
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 1 <= seconds <= 3600:
        raise _unusable(START_SECONDS, _("it is no number from 1 to 3600"))
    return seconds


def _images(path: Path) -> dict[str, Image]:
    """``NAME: {image: REGISTRY/PATH@sha256:…, environment: sha256:…}`` for each environment."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        found = {
            str(name): Image(reference=str(row["image"]), environment=str(row["environment"]))
            for name, row in document.items()
        }
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as trouble:
        raise _unusable(IMAGES, str(trouble) or type(trouble).__name__) from None
    for name, image in found.items():
        if not _IMAGE.fullmatch(image.reference) or not _DIGEST.fullmatch(image.environment):
            raise _unusable(IMAGES, _("'{name}' does not name both by sha256 digest").format(name=name))
    if not found:
        raise _unusable(IMAGES, _("it names no image"))
    return found


def _unusable(variable: str, why: str) -> SandboxUnavailable:
    return SandboxUnavailable(
        "kubernetes_not_configured",
        _("{variable} cannot be used: {why}.").format(variable=variable, why=why),
        _("See docs/sandbox.md for what the driver 'kubernetes' needs."),
    )
