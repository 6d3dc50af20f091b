"""The socket guard of no_network/sitecustomize.py, here, in child processes and in the kernels of notebooks."""

import socket
import subprocess
import sys
import urllib.request

import nbclient
import nbformat
import pytest

ASK = "import urllib.request; urllib.request.urlopen('https://example.org', timeout=5)"


def test_a_request_fails_and_the_error_names_the_host():
    with pytest.raises(OSError, match=r"without network, and something asked for example\.org"):
        urllib.request.urlopen("https://example.org", timeout=5)


@pytest.mark.parametrize("connect", [socket.socket.connect, socket.socket.connect_ex], ids=["connect", "connect_ex"])
@pytest.mark.parametrize("host", ["192.0.2.1", "example.org"])
def test_a_bare_socket_fails_too(connect, host):
    with socket.socket() as bare, pytest.raises(OSError, match=f"asked for {host}"):
        connect(bare, (host, 80))


def test_a_child_process_has_no_network_either():
    child = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True)
    assert child.returncode != 0
    assert "something asked for example.org" in child.stderr


def test_the_own_machine_can_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        socket.create_connection(("localhost", port), timeout=5).close()


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets")
def test_unix_sockets_work(tmp_path):
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "s"))
        server.listen()
        client.connect(str(tmp_path / "s"))


def test_a_notebook_has_no_network_either():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(ASK)])
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="something asked for example.org"):
        nbclient.execute(notebook, kernel_name="python3")
