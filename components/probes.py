"""Questions by which a container knows that its own server is ready."""


def https_probe(port: int, path: str) -> tuple[str, ...]:
    """A request of the container to itself, with its own certificate, verified."""
    return (
        *("curl", "--silent", "--fail", "--output", "/dev/null", "--max-time", "3"),
        *("--cacert", "/etc/selfmonitor/ca.crt"),
        *("--cert", "/etc/selfmonitor/tls.crt", "--key", "/etc/selfmonitor/tls.key"),
        f"https://localhost:{port}{path}",
    )
