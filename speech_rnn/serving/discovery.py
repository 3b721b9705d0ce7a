"""Home Assistant finds the ports of Wyoming by zeroconf (mDNS)."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping

from speech_rnn.errors import ConfigurationError, MissingExtraError

SERVICE = "_wyoming._tcp.local."


class Discovery:
    """Announces ports until it is closed.

    Parameters
    ----------
    addresses : host and port by the name of the protocol.

    Raises
    ------
    MissingExtraError
        without the package zeroconf.
    """

    def __init__(self, addresses: Mapping[str, tuple[str, int]]) -> None:
        try:
            from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf
        except ImportError as error:
            raise MissingExtraError("zeroconf", "serve") from error
        self._zeroconf_type = AsyncZeroconf
        machine = socket.gethostname().partition(".")[0]
        self._services = [
            AsyncServiceInfo(
                SERVICE,
                f"speech-rnn {name} on {machine}.{SERVICE}",
                parsed_addresses=_announced(host),
                port=port,
                server=f"{machine}.local.",
            )
            for name, (host, port) in addresses.items()
        ]
        hosts = {host for host, _ in addresses.values()}
        self._is_local = all(ipaddress.ip_address(host).is_loopback for host in hosts)

    async def start(self) -> None:
        """Announce the ports.

        Raises
        ------
        ConfigurationError
            without a network.
        """
        from zeroconf import InterfaceChoice

        interfaces = ["127.0.0.1"] if self._is_local else InterfaceChoice.All
        try:
            self._zeroconf = self._zeroconf_type(interfaces=interfaces)
        except OSError as error:
            raise ConfigurationError(
                f"zeroconf: the network cannot be used ({error}); leave --zeroconf out"
            ) from error
        for service in self._services:
            await self._zeroconf.async_register_service(service, allow_name_change=True)

    async def stop(self) -> None:
        """Take the ports back."""
        await self._zeroconf.async_unregister_all_services()
        await self._zeroconf.async_close()


def _announced(host: str) -> list[str]:
    if not ipaddress.ip_address(host).is_unspecified:
        return [host]
    from zeroconf import get_all_addresses

    return [
        str(one) for one in get_all_addresses() if not ipaddress.ip_address(str(one)).is_loopback
    ]
