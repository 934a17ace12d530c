# SPDX-License-Identifier: MIT
"""A hop between tracker and storage node that can break connections off."""
import socket
import threading

from waiting import free_port


class Cutter:
    """Passes TCP connections on to a node. While `budget` has cuts left, answers are cut off after `after` bytes."""

    def __init__(self, node, budget):
        self.node, self.budget, self.requests = node, budget, []
        self.port = free_port(node.address)
        self.listener = socket.create_server((node.address, self.port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            with client, socket.create_connection((self.node.address, self.node.port)) as node:
                threading.Thread(target=self.forward, args=(client, node), daemon=True).start()
                self.back(node, client)
                client.shutdown(socket.SHUT_RDWR)  # a close alone waits for the other thread
        except OSError:
            pass

    def forward(self, client, node):
        try:
            while data := client.recv(1 << 16):
                self.requests.append(data)
                node.sendall(data)
            node.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def back(self, node, client):
        sent, armed = 0, self.budget.armed
        while data := node.recv(1 << 16):
            if armed != self.budget.armed:  # a kept connection: what it sent before does not count
                sent, armed = 0, self.budget.armed
            if sent <= self.budget.after < sent + len(data) and self.budget.take():
                client.sendall(data[:self.budget.after - sent])
                return
            client.sendall(data)
            sent += len(data)

    def close(self):
        self.listener.close()


class Budget:
    """How many answers may be cut off, and after how many bytes; shared by several cutters."""

    def __init__(self):
        self.lock, self.cuts, self.after, self.taken, self.armed = threading.Lock(), 0, 0, 0, 0

    def arm(self, cuts, after):
        with self.lock:
            self.cuts, self.after, self.taken = cuts, after, 0
            self.armed += 1

    def take(self):
        with self.lock:
            if self.cuts == 0:
                return False
            self.cuts -= 1
            self.taken += 1
            return True
