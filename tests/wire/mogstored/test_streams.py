# SPDX-License-Identifier: MIT
"""Long bodies of unknown length: every byte once, however they are cut into chunks."""
import os
import socket
import tempfile
import threading
import unittest

from cluster import Node


class Streams(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.node = Node(folder.name, "node", [1]).start()
        self.addCleanup(self.node.stop)

    def put(self, number, data, chunk):
        path = f"/dev1/0/000/000/{number:010}.fid"
        body = b"".join(f"{len(data[at:at + chunk]):x}\r\n".encode() + data[at:at + chunk] + b"\r\n"
                        for at in range(0, len(data), chunk))
        with socket.create_connection((self.node.address, self.node.port), timeout=30) as sock:
            sock.sendall(f"PUT {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                         f"Connection: close\r\n\r\n".encode())
            sender = threading.Thread(target=sock.sendall, args=(body + b"0\r\n\r\n",), daemon=True)
            sender.start()
            answer = sock.recv(65536)
            sender.join(30)
        self.assertTrue(answer.startswith(b"HTTP/1.1 201 "), answer[:100])
        with open(self.node.docroot + path, "rb") as f:
            stored = f.read()
        self.assertEqual(len(stored), len(data), f"chunks of {chunk} bytes")
        self.assertTrue(stored == data, f"chunks of {chunk} bytes")

    def test_chunks_of_many_sizes(self):
        data = os.urandom(2 * 1024 * 1024 + 1)
        number = 0
        for _ in range(5):
            for chunk in (1000, 4096, 32768, 65536, 65524, 131072, 262144, 300000, 3 * 1024 * 1024):
                number += 1
                self.put(number, data, chunk)


if __name__ == "__main__":
    unittest.main()
