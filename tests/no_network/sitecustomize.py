"""The tests run without network: every Python that starts with this folder on its path can reach its own machine and nothing else.

Python imports a module of this name by itself, in child processes and notebook kernels too; conftest.py loads it in pytest's.
"""

import ipaddress
import os
import socket


class NetworkIsCutOff(OSError):
    """Raised in the place of a connection. An OSError, like what a laptop without network sees."""


def cut_network() -> None:
    """From here on, look-ups and connections work on the loopback interface only. A second call changes nothing."""
    if getattr(socket, "network_is_cut_off", False):
        return
    socket.network_is_cut_off = True
    os.environ.setdefault("HF_HUB_OFFLINE", "1")

    def guarded(connect):
        def local_only(self, address):
            if self.family in (socket.AF_INET, socket.AF_INET6):
                refuse_unless_local(address[0])
            return connect(self, address)

        return local_only

    def local_look_up(host, *args, **kwargs):
        refuse_unless_local(host)
        return look_up(host, *args, **kwargs)

    look_up = socket.getaddrinfo
    socket.getaddrinfo = local_look_up
    socket.socket.connect = guarded(socket.socket.connect)
    socket.socket.connect_ex = guarded(socket.socket.connect_ex)


def refuse_unless_local(host) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
        if address.is_loopback or address.is_unspecified:
            return
    except ValueError:  # the name of another machine
        pass
    raise NetworkIsCutOff(f"the tests run without network, and something asked for {name}")


cut_network()
