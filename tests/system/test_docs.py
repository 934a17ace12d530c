# SPDX-License-Identifier: MIT
"""What is written for users says what the programs do: keys, options, programs, manual pages."""
import glob
import os
import re
import unittest

from cluster import BIN, run

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
ROW = re.compile(r'\{(NULL|"(?P<cli>[\w-]+)"), (?:0|\'.\'), (NULL|"(?P<key>\w+)"),\s*OPT_')
DAEMONS = {"mogilefsd": "src/tracker/tracker_options.c", "mogstored": "src/mogstored/stored_options.c"}


def text(path):
    with open(os.path.join(TOP, path)) as f:
        return f.read()


def rows(daemon):
    found = [(m.group("cli"), m.group("key")) for m in ROW.finditer(text(DAEMONS[daemon]))]
    assert len(found) > 15, f"{daemon}: its table of options was not understood"
    return found


class Docs(unittest.TestCase):
    def test_every_key_is_in_the_sample_and_in_the_manual(self):
        for daemon in DAEMONS:
            sample = text(f"conf/{daemon}.conf")
            manual = text(f"man/{daemon}.conf.5")
            for _, key in rows(daemon):
                if key:
                    self.assertRegex(sample, rf"(?m)^#?{key} =", f"conf/{daemon}.conf: {key}")
                    self.assertRegex(manual, rf"\b{key}\b", f"man/{daemon}.conf.5: {key}")

    def test_the_sample_has_no_other_keys(self):
        for daemon in DAEMONS:
            keys = {key for _, key in rows(daemon)}
            for key in re.findall(r"(?m)^#?(\w+) =", text(f"conf/{daemon}.conf")):
                self.assertIn(key, keys, f"conf/{daemon}.conf")

    def test_every_option_of_the_tracker_is_in_its_manual(self):
        manual = text("man/mogilefsd.8")
        for cli, _ in rows("mogilefsd"):
            if cli:
                self.assertRegex(manual, rf"(Fl -{cli}\b|, -{cli}\b)", cli)

    def test_the_samples_are_accepted(self):
        for daemon in DAEMONS:
            lines = [line for line in text(f"conf/{daemon}.conf").splitlines() if not line.startswith("#") and line]
            self.assertEqual(lines, [], "a sample sets nothing by itself")
        run("mogilefsd", "--check-config", f"--config={TOP}/conf/mogilefsd.conf",
            *(["--user=root"] if os.getuid() == 0 else []))

    def test_every_program_has_a_manual_and_a_line_in_the_readme(self):
        readme = text("README.md")
        programs = sorted(os.listdir(BIN))
        self.assertGreater(len(programs), 10)
        for name in programs:
            self.assertIn(f"`{name}`", readme)
            self.assertTrue(glob.glob(f"{TOP}/man/{name}.[18]"), f"man/{name}.1 or .8")

    def test_manuals_refer_to_what_there_is(self):
        ours = {os.path.basename(p) for p in glob.glob(f"{TOP}/man/*")}
        for page in ours:
            for name, section in re.findall(r"(?m)^\.Xr (mog\w[\w.]*) (\d)", text(f"man/{page}")):
                self.assertIn(f"{name}.{section}", ours, page)

    def test_files_that_the_documents_link_to(self):
        for page in glob.glob(f"{TOP}/*.md"):
            for link in re.findall(r"\]\(([^):#]+)\)", text(page)):
                self.assertTrue(os.path.exists(os.path.join(TOP, link)), f"{page}: {link}")

    def test_every_lock_of_the_tracker_is_in_the_design(self):
        design = text("DESIGN.md").split("\n## 4. Locks\n")[1].split("\n## ")[0]
        found = set()
        for folder in ("common", "store", "tracker"):
            for path in glob.glob(f"{TOP}/src/{folder}/**/*.[ch]", recursive=True):
                with open(path) as f:
                    code = re.sub(r"(?s)/\*.*?\*/", "", f.read())
                for name, body in re.findall(r"(?s)\bstruct (\w+) \{\n(.*?)\n\}", code):
                    found |= {f"{name}.{lock}" for lock in re.findall(r"pthread_mutex_t (\w+);", body)}
        self.assertIn("server.lock", found)
        for lock in sorted(found):
            self.assertIn(f"`{lock}`", design.replace("`store_env.flush.lock`", "`store_flush.lock`"))

    def test_versions_agree(self):
        version = re.search(r"project\(mogilefs VERSION ([\d.]+)", text("CMakeLists.txt")).group(1)
        self.assertIn(f"\n## {version}\n", text("CHANGES.md"))
        self.assertIn(version, run("mogilefsd", "--version").stdout.decode())


if __name__ == "__main__":
    unittest.main()
