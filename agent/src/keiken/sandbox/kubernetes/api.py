"""The few requests to a cluster's API that sandboxes need, and what its refusals mean to an operator."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from keiken.errors import SandboxUnavailable
from keiken.i18n import _
from keiken.sandbox.kubernetes.settings import Cluster

if TYPE_CHECKING:
    import httpx

_ATTEMPTS, _LONGEST_WAIT_SECONDS = 4, 10.0
_TIMEOUT_SECONDS = 30.0


class Api:
    """One cluster. Every method raises SandboxUnavailable."""

    def __init__(self, cluster: Cluster) -> None:
        import httpx

        self.cluster = cluster
        self.pods_url = f"{cluster.api}/api/v1/namespaces/{cluster.namespace}/pods"
        self._policies_url = f"{cluster.api}/apis/networking.k8s.io/v1/namespaces/{cluster.namespace}/networkpolicies"
        self._classes_url = f"{cluster.api}/apis/node.k8s.io/v1/runtimeclasses"
        try:
            self.tls = ssl.create_default_context(cafile=str(cluster.ca_file) if cluster.ca_file else None)
        except OSError as trouble:
            raise SandboxUnavailable(
                "kubernetes_not_configured",
                _("The cluster's certificate authority cannot be read: {why}.").format(why=trouble),
                _("Name its file in KEIKEN_KUBERNETES_CA_FILE."),
            ) from trouble
        self._client = httpx.Client(verify=self.tls, timeout=_TIMEOUT_SECONDS, trust_env=False, follow_redirects=False)

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.cluster.token()}"}

    def close(self) -> None:
        self._client.close()

    def create_pod(self, manifest: Mapping[str, Any]) -> None:
        self._ask("POST", self.pods_url, json=manifest)

    def pod(self, name: str) -> dict[str, Any] | None:
        """None when there is no such Pod any more."""
        return self._found(f"{self.pods_url}/{name}")

    def pods(self, selector: str) -> list[dict[str, Any]]:
        found = self._ask("GET", self.pods_url, params={"labelSelector": selector, "limit": "500"}).json()
        return list(found.get("items", []))

    def delete_pod(self, name: str) -> None:
        """Gone afterwards, or on its way; absent is fine."""
        self._ask("DELETE", f"{self.pods_url}/{name}", params={"gracePeriodSeconds": "0"}, allowed=(404, 409))

    def network_policy(self, name: str) -> dict[str, Any] | None:
        return self._found(f"{self._policies_url}/{name}")

    def create_network_policy(self, manifest: Mapping[str, Any]) -> None:
        """One that is there already is fine."""
        self._ask("POST", self._policies_url, json=manifest, allowed=(409,))

    def runtime_class(self, name: str) -> dict[str, Any] | None:
        return self._found(f"{self._classes_url}/{name}")

    def _found(self, url: str) -> dict[str, Any] | None:
        answer = self._ask("GET", url, allowed=(404,))
        if answer.status_code == 404:
            return None
        found: dict[str, Any] = answer.json()
        return found

    def _ask(self, method: str, url: str, *, allowed: tuple[int, ...] = (), **request: Any) -> httpx.Response:
        """Asked again a few times when the cluster is busy or stumbles. A repeated creation may find the first one."""
        import httpx

        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = self._client.request(method, url, headers=self.headers(), **request)
            except httpx.HTTPError as trouble:
                if attempt == _ATTEMPTS:
                    raise SandboxUnavailable(
                        "kubernetes_unreachable",
                        _("The cluster's API does not answer: {why}").format(why=trouble or type(trouble).__name__),
                        _("See that KEIKEN_KUBERNETES_API is right and can be reached from here."),
                    ) from trouble
                time.sleep(_pause(attempt, None))
                continue
            if answer.is_success or answer.status_code in allowed:
                return answer
            if attempt > 1 and method == "POST" and answer.status_code == 409:
                return answer
            if answer.status_code not in (429, 500, 502, 503, 504) or attempt == _ATTEMPTS:
                raise refusal(answer.status_code, answer.content)
            time.sleep(_pause(attempt, answer.headers.get("Retry-After")))
        raise AssertionError("the last attempt returns or raises")


def _pause(attempt: int, asked: str | None) -> float:
    seconds = float(asked) if asked is not None and asked.isdigit() else 0.1 * 2**attempt
    return min(seconds, _LONGEST_WAIT_SECONDS)


def refusal(status: int, content: bytes | bytearray) -> SandboxUnavailable:
    """The API's own words (a ``Status`` object), with what to do about them."""
    try:
        words = str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        words = f"HTTP {status}"
    code, advice = {
        401: (
            "kubernetes_forbidden",
            _("See that KEIKEN_KUBERNETES_TOKEN_FILE holds a token that is right and not expired."),
        ),
        403: ("kubernetes_forbidden", _("Give its service account the role in docs/sandbox.md; see also the quota.")),
        404: ("kubernetes_not_found", _("See that the namespace and the runtime class exist.")),
        409: ("kubernetes_conflict", _("Try again.")),
        422: ("kubernetes_refused", _("An admission policy of the cluster stands against it.")),
        429: ("kubernetes_busy", _("Try again later, or allow this client more requests.")),
    }.get(status, ("kubernetes_failed", _("See the cluster's own log.")))
    return SandboxUnavailable(code, _("The cluster refuses: {words}").format(words=words[:500]), advice)


def no_client() -> SandboxUnavailable:
    return SandboxUnavailable(
        "kubernetes_client_missing",
        _("The driver 'kubernetes' needs the package 'websockets', which is not installed."),
        _("Install it: pip install 'keiken[kubernetes]'."),
    )
