"""Which addresses lead to this very machine and nowhere else."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches the address; of names only `localhost` is known."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
