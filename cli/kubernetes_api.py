"""The API of a Kubernetes cluster, as far as the commands use it, for one namespace.

Objects are mappings, as the API has them. The `kubernetes` package finds the cluster as kubectl
does, and speaks the streams; its classes for every kind of object, which take seconds to load, are
left alone.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from cli.errors import OperationFailed, UserError
from cli.kubernetes_exchange import Exchange

if TYPE_CHECKING:
    from kubernetes.client.api_client import ApiClient

Manifest = dict[str, Any]

GROUPS = {
    "pods": "/api/v1",
    "services": "/api/v1",
    "statefulsets": "/apis/apps/v1",
    "networkpolicies": "/apis/networking.k8s.io/v1",
    "endpointslices": "/apis/discovery.k8s.io/v1",
}
CONNECT_SECONDS = 5
# The API server answers at once, or tells that it cannot.
ANSWER_SECONDS = 30
# Replaces what is given, leaves the rest; null takes away (RFC 7396).
MERGE_PATCH = "application/merge-patch+json"
NOT_FOUND = 404


class Refused(OperationFailed):
    """The API server's own word for why not. status: of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"the API server refused: {message}")
        self.status = status


def connect(context: str | None) -> "ApiClient":
    """A client of the cluster that the kubeconfig names. Raises UserError.

    context: of the kubeconfig; None: the current one.
    """
    import websocket
    from kubernetes.config import new_client_from_config
    from kubernetes.config.config_exception import ConfigException

    # Of streams, which otherwise wait for a silent server for ever.
    websocket.setdefaulttimeout(ANSWER_SECONDS)
    try:
        # The person's own file is not written to.
        return new_client_from_config(context=context, persist_config=False)
    except (ConfigException, OSError) as error:
        raise UserError(
            f"no way to the Kubernetes cluster{f' of context {context}' if context else ''}: "
            f"{' '.join(str(error).split())}; set KUBECONFIG, or kubernetes.context in the stack "
            "file (kubectl config get-contexts)"
        ) from None


class KubernetesApi:
    """One namespace. Methods raise Refused, and OperationFailed when nobody answers."""

    def __init__(self, client: "ApiClient", namespace: str) -> None:
        self.namespace = namespace
        self._client = client

    def version(self) -> str:
        """Of the API server, e.g. v1.34.4."""
        return str(self._request("GET", "/version")["gitVersion"])

    def storage_classes(self) -> list[Manifest]:
        """Of the cluster, which are in no namespace."""
        found = self._request("GET", "/apis/storage.k8s.io/v1/storageclasses")
        return list(found.get("items") or ())

    def find_all(
        self, kind: str, labels: Mapping[str, str], namespace: str | None = None
    ) -> list[Manifest]:
        """Objects that bear all of these labels."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        found = self._request("GET", self._path(kind, "", namespace), {"labelSelector": selector})
        return list(found.get("items") or ())

    def find(self, kind: str, name: str, namespace: str | None = None) -> Manifest | None:
        """An object; None where there is none of that name."""
        return self._unless_gone("GET", self._path(kind, name, namespace))

    def patch(self, kind: str, name: str, change: Manifest) -> Manifest | None:
        """Merges a change into an object; None where there is none (any more)."""
        return self._unless_gone("PATCH", self._path(kind, name), body=change)

    def delete(self, kind: str, name: str, grace_seconds: int | None = None) -> None:
        """Has an object deleted; one that is gone is no error."""
        query = {} if grace_seconds is None else {"gracePeriodSeconds": str(grace_seconds)}
        self._unless_gone("DELETE", self._path(kind, name), query)

    def log(self, pod: str, container: str, *, tail: int, follow: bool) -> Iterator[bytes]:
        """The end of a container's log, in pieces; with follow it goes on until it ends."""
        import urllib3

        query = {"container": container, "tailLines": str(tail)}
        if follow:
            query["follow"] = "true"
        path = self._path("pods", pod) + "/log"
        try:
            # One that is followed may be silent for ever.
            answer = self._send("GET", path, query, seconds=None if follow else ANSWER_SECONDS)
            yield from answer.response.stream(amt=None, decode_content=True)
        except urllib3.exceptions.HTTPError as error:
            raise self._silent(error) from None

    def execute(
        self, pod: str, container: str, command: Sequence[str], *, stdin: bool = False
    ) -> Exchange:
        """Begins a command in a container. Raises CannotBeAsked."""
        query = [("container", container), ("stdout", "true"), ("stderr", "true")]
        query += [("stdin", "true")] if stdin else []
        query += [("command", word) for word in command]
        path = self._path("pods", pod) + "/exec"
        headers = self._headers()
        return Exchange.begin(self._client.configuration, self._url(path, query), headers)

    def forward(self, pod: str, port: int) -> Any:
        """A connection to a port of a pod: a socket. Raises OperationFailed."""
        from kubernetes.client.exceptions import ApiException
        from kubernetes.stream.ws_client import portforward_call

        url = self._url(self._path("pods", pod) + "/portforward", [("ports", str(port))])
        try:
            forwarded = portforward_call(
                self._client.configuration, "GET", url, headers=self._headers()
            )
        except ApiException as error:
            raise OperationFailed(f"no way to port {port} of {pod}: {error.reason}") from None
        return forwarded.socket(port)

    def _path(self, kind: str, name: str, namespace: str | None = None) -> str:
        where = f"{GROUPS[kind]}/namespaces/{quote(namespace or self.namespace)}/{kind}"
        return f"{where}/{quote(name)}" if name else where

    def _url(self, path: str, query: Sequence[tuple[str, str]]) -> str:
        url = f"{self._client.configuration.host}{path}"
        return f"{url}?{urlencode(query)}" if query else url

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        # Asked anew each time: a token of a cloud's lives for minutes.
        self._client.update_params_for_auth(headers, [], ["BearerToken"], "", "", None)
        return headers

    def _unless_gone(self, method: str, path: str, *more: Any, **how: Any) -> Manifest | None:
        try:
            return self._request(method, path, *more, **how)
        except Refused as refused:
            if refused.status == NOT_FOUND:
                return None
            raise

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
    ) -> Manifest:
        import urllib3

        try:
            text = self._send(method, path, query or {}, body).read()
        except urllib3.exceptions.HTTPError as error:
            raise self._silent(error) from None
        found: Manifest = json.loads(text)
        return found

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Manifest | None = None,
        seconds: int | None = ANSWER_SECONDS,
    ) -> Any:
        from kubernetes.client.exceptions import ApiException

        headers = {"Accept": "application/json", **self._headers()}
        if body is not None:
            headers["Content-Type"] = MERGE_PATCH
        try:
            answer = self._client.call_api(
                method,
                self._url(path, list(query.items())),
                headers,
                body,
                _request_timeout=(CONNECT_SECONDS, seconds),
            )
        except ApiException as error:
            raise self._silent(error) from None
        if answer.status >= 400:
            raise Refused(answer.status, _reason(answer.read(), answer.reason))
        return answer

    def _silent(self, error: Exception) -> OperationFailed:
        return OperationFailed(
            f"the API server {self._client.configuration.host} does not answer: "
            + " ".join(str(error).split())
        )


def _reason(text: bytes, otherwise: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return otherwise
