"""Both ends' TLS: this container's certificate, and the one authority it believes."""

import ssl
from pathlib import Path

from watch_events.event import log


class Certificates:
    """Contexts for new connections; those that are open keep theirs.

    Raises OSError, which ssl.SSLError is one of.
    """

    server: ssl.SSLContext
    client: ssl.SSLContext

    def __init__(self, files: Path) -> None:
        self.authority = files / "ca.crt"
        self.certificate = files / "tls.crt"
        self.key = files / "tls.key"
        self._read()

    def reload(self) -> None:
        """Takes up renewed files; keeps what it has when they do not fit together."""
        try:
            self._read()
        except OSError as error:
            log(f"certificates are not taken up: {error}")
        else:
            log("certificates taken up")

    def _read(self) -> None:
        # New contexts: an authority that is no longer in the file stays in an old one.
        client = ssl.create_default_context(cafile=str(self.authority))
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.verify_mode = ssl.CERT_REQUIRED
        server.load_verify_locations(cafile=str(self.authority))
        for context in (client, server):
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(self.certificate, self.key)
        self.client, self.server = client, server
