# SPDX-License-Identifier: MIT
"""Nothing is declared in vain: each function of a header is called, or at least handed on, by somebody."""
import collections
import glob
import os
import re
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
DECLARATION = re.compile(r"(?m)^(?!typedef|static|#|//| \*)\w[\w ]*[ *](\w+)\([^;{]*?\)[^;{]*;")
INLINE = re.compile(r"(?m)^static inline \w[\w ]*[ *](\w+)\(")
COMMENT = re.compile(r"/\*.*?\*/", re.S)


def code(pattern):
    for path in glob.glob(os.path.join(ROOT, pattern), recursive=True):
        with open(path) as f:
            yield COMMENT.sub(" ", f.read())


class Used(unittest.TestCase):
    def test_each_function_of_a_header(self):
        needed, seen = {}, collections.Counter()
        for text in code("src/**/*.h"):
            needed.update({name: 3 for name in DECLARATION.findall(text)})  # declared, defined, used
            needed.update({name: 2 for name in INLINE.findall(text)})
        for pattern in ("src/**/*.[ch]", "tests/unit/**/*.[ch]", "tests/bench/*.[ch]"):
            for text in code(pattern):
                seen.update(re.findall(r"\w+", text))
        self.assertGreater(len(needed), 600)
        self.assertEqual(sorted(name for name, n in needed.items() if seen[name] < n), [])


if __name__ == "__main__":
    unittest.main()
