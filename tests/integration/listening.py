"""Where a process listens, read from the kernel's own tables (Linux)."""

import ipaddress
from pathlib import Path

_LISTEN = "0A"


def listening_addresses(process_id: int) -> set[tuple[str, int]]:
    """Host and port of every TCP socket on which this process accepts connections; IPv4-mapped hosts as IPv4."""
    inodes = _socket_inodes(process_id)
    found = set()
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/{process_id}/net/{table}").read_text().splitlines()[1:]:
            columns = row.split()
            if columns[3] == _LISTEN and columns[9] in inodes:
                found.add(_address(columns[1]))
    return found


def _socket_inodes(process_id: int) -> set[str]:
    links = [str(entry.readlink()) for entry in Path(f"/proc/{process_id}/fd").iterdir() if entry.is_symlink()]
    return {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:")}


def _address(column: str) -> tuple[str, int]:
    """`0100007F:1F90` is 127.0.0.1:8080: the host in 32-bit words of the machine's byte order (little endian)."""
    host, port = column.split(":")
    words = b"".join(bytes.fromhex(host[i : i + 8])[::-1] for i in range(0, len(host), 8))
    address = ipaddress.ip_address(words)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address), int(port, 16)
