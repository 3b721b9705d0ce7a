"""The addresses and ports of a server."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from speech_rnn.errors import ConfigurationError, did_you_mean

SERVED = {"http": "port", "wake": "wake_port", "asr": "asr_port"}
"""The protocols, and the field that holds the port of each."""


@dataclass(frozen=True)
class Places:
    """The addresses and ports of a server.

    Parameters
    ----------
    host : address of HTTP and the WebSockets.
    port : their port; 0 takes one that is free, None leaves them out.
    token : the token that clients have to send; None needs none.
    origins : other origins whose pages may ask.
    wyoming_host : address of Wyoming, which has no tokens.
    wake_port, asr_port : its ports; 0 takes one that is free, None leaves them out.
    languages : languages that are reported to Wyoming's clients.
    is_announced : whether Wyoming's ports are announced by zeroconf.
    """

    host: str = "127.0.0.1"
    port: int | None = 8000
    token: str | None = None
    origins: tuple[str, ...] = ()
    wyoming_host: str = "127.0.0.1"
    wake_port: int | None = 10400
    asr_port: int | None = 10300
    languages: tuple[str, ...] = ("en",)
    is_announced: bool = False


def chosen_ports(only: Sequence[str] | None, **ports: int) -> dict[str, int | None]:
    """Return the ports of what is served; None for the others.

    Parameters
    ----------
    only : ``http``, ``wake`` and ``asr``, as many as are wanted; None means all.
    ports : ports by the names of the fields of `Places`.

    Raises
    ------
    ConfigurationError
        for another name.
    """
    for name in only or ():
        if name not in SERVED:
            raise ConfigurationError(f"only={name!r} is not served{did_you_mean(name, SERVED)}")
    wanted = {SERVED[name] for name in only or SERVED}
    return {name: port if name in wanted else None for name, port in ports.items()}


def check_stdio(name: str | None) -> None:
    """Refuse to serve over standard input what is no protocol of Wyoming.

    Raises
    ------
    ConfigurationError
        for a name other than wake and asr.
    """
    if name not in (None, "wake", "asr"):
        raise ConfigurationError(f"stdio={name!r} must be wake or asr")


def check_record(places: Places, stdio: str | None) -> None:
    """Refuse to record where no page is served, and where everybody could listen to the takes.

    Raises
    ------
    ConfigurationError
        without HTTP, and without a token if other machines can connect.
    """
    if places.port is None or stdio is not None:
        raise ConfigurationError("record= needs HTTP; leave --only and --stdio out")
    if not places.token and not is_loopback(places.host):
        raise ConfigurationError(
            f"host={places.host!r} lets other machines connect, and record= keeps recordings of "
            "people; set a token: SPEECH_RNN_TOKEN=SECRET"
        )


def is_loopback(host: str) -> bool:
    """Return whether an address is of this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
