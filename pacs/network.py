"""Internet addresses: how they are read, and which are this machine's own. Why connections fail."""

from __future__ import annotations

import ipaddress
import ssl


def ip_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """`ValueError` when it is not an address. The zone of a link-local one (`fe80::1%eth0`) is left out.

    An IPv4-mapped address (`::ffff:192.0.2.1`), as which a socket for both families reports IPv4 peers, is
    returned as the IPv4 address.
    """
    found = ipaddress.ip_address(text.partition("%")[0])
    return (isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped) or found


def is_loopback(host: str) -> bool:
    """Whether this host name or IP address is this machine's own, of use only to itself (RFC 6761 §6.3)."""
    name = host.lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def failure(error: OSError) -> str:
    """Why a connection failed, in words that fit into an Error Comment (64 characters) as far as possible."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"TLS: {error.reason.replace('_', ' ').lower()}"
    return error.strerror or type(error).__name__
