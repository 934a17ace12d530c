# SPDX-License-Identifier: MIT
"""scripts/bench without its measurements, which take too long: rows, turns, tables."""
import os
import subprocess
import sys
import unittest

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench")
sys.path.insert(0, FOLDER)
import bench  # noqa: E402
import compare  # noqa: E402
import measures  # noqa: E402


class Bench(unittest.TestCase):
    def call(self, *args):
        return subprocess.run([sys.executable, os.path.join(FOLDER, "bench.py"), *args], capture_output=True, text=True,
                              timeout=60, stdin=subprocess.DEVNULL)

    def test_options(self):
        done = self.call("--help")
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in (*compare.ROWS, *measures.ROWS):
            self.assertRegex(done.stdout, rf"\b{name}\b")
        for bad in ("nonsense", "--bogus", "--quick=x"):
            done = self.call(bad)
            self.assertEqual((done.returncode, done.stdout), (2, ""), bad)
            self.assertIn(bad.split("=")[0].lstrip("-"), done.stderr)

    def test_turns(self):
        order, figures = [], {"a": [5.0, 1.0, 9.0], "b": [2.0, 8.0, 4.0]}

        def side(name):
            def turn():
                order.append(name)
                return figures[name].pop(0)
            return turn
        self.assertEqual(compare.turns(3, side("a"), side("b")), [5.0, 4.0])
        self.assertEqual("".join(order), "ababab")

    def test_table(self):
        lines = []
        table = bench.Table(lines.append, bench.COMPARED)
        table.add(compare.row("noop", 12345.6, "redis", 24691.2, 1.0))
        self.assertEqual(lines[1:], ["| work | a second | held against | a second | ratio | goal |",
                                     "|---|---|---|---|---|---|",
                                     "| noop | 12,346 | redis | 24,691 | 0.50x | 1.00x |"])
        self.assertRegex(bench.machine(), r"^\d{4}-\d\d-\d\d, \d+ processors of .*GB, ")


if __name__ == "__main__":
    unittest.main()
