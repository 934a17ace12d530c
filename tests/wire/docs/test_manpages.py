# SPDX-License-Identifier: MIT
"""Programs, manual pages and sample configuration say the same: options, keys, defaults, environment."""
import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from daemon import BIN, run

TREE = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".."))
DAEMONS = {"mogilefsd": "src/tracker/tracker_options.c", "mogstored": "src/mogstored/stored_options.c"}
# Options of the tools that their --help does not name, since they are for old scripts; the manual may.
OLD = {"mogtool": {"noverify", "b", "z", "reciept", "debug", "lib"}, "mogdbsetup": {"noschemabump", "plugins", "help"}}
NO_PATTERN = {"mogstats", "mogadm", "mogdbsetup"}  # their --help has a form of its own


def read(path):
    with open(os.path.join(TREE, path)) as f:
        return f.read()


def section(text, name):
    return re.search(rf"^\.Sh {name}\n(.*?)(?=^\.Sh |\Z)", text, re.S | re.M).group(1)


def documented(text):
    """The options of a page: what follows Fl in the heads of its lists."""
    found = set()
    for line in re.findall(r"^\.It (Fl .*?(?:\\\n.*?)*)$", text, re.M):
        line = re.sub(r"Ns = Ns Ar \S+|Ns = Ns Cm \S+|Ns Op .*?(?= , |$)| Ar \S+", "", line.replace("\\\n", ""))
        for word in re.split(r"[ ,]+", line):
            if re.fullmatch(r"-[a-zA-Z][\w-]*", word):
                found.add(word[1:])
            elif re.fullmatch(r"[a-zA-Z]", word):
                found.add(word)
    return found


def offered(program):
    """The options in --help, long and short, and the defaults that it gives in parentheses."""
    done = run(program, "--help", check=None)
    text = (done.stdout + done.stderr).decode()
    options, defaults = set(), {}
    for name, letter, help_text in re.findall(r"^ +--([\w-]+)(?:=\w*)?(?:, -(\w))?(.*)$", text, re.M):
        options |= {name, letter} - {""}
        default = re.search(r"\(([^()]*)\)\s*$", help_text)
        if default:
            defaults[name] = default.group(1)
    return options, defaults


def table(path):
    """The rows of an option table in the source: (option, letter, key, type)."""
    text = re.search(r"static const struct opt_row rows\[\] = \{(.*?)\n\};", read(path), re.S).group(1)
    rows = re.findall(r'\{(NULL|"[\w-]+"),\s*(0|\'\w\'),\s*(NULL|"[\w-]+"),\s*(OPT_\w+),\s*([\w |]+),', text)
    assert len(rows) == text.count("OPT_CLI") + text.count("BOTH") + len(re.findall(r"(?<!\w)OPT_FILE\b", text)), path
    return [(cli.strip('"') if cli != "NULL" else None, letter.strip("'") if letter != "0" else None,
             key.strip('"') if key != "NULL" else None, kind, flags) for cli, letter, key, kind, flags in rows]


class Options(unittest.TestCase):
    def test_daemons(self):
        for program, source in DAEMONS.items():
            page = documented(section(read(f"man/{program}.8"), "OPTIONS"))
            rows = table(source)
            known = {x for row in rows for x in row[:2] if x}
            known |= {prefix + row[0] for row in rows for prefix in ("no", "no-") if row[0] and "NEGATABLE" in row[4]}
            self.assertGreater(len(known), 20)
            shown, _ = offered(program)
            self.assertEqual(shown - known, set(), f"{program} --help has options that are not in its table")
            self.assertEqual(page - known, set(), f"{program}.8 has options that {program} does not take")
            # A flag that is on by default may stand with its no alone.
            missing = {x for x in known if x not in page and not x.startswith("no-") and f"no{x}" not in page and
                       x not in {f"no{row[0]}" for row in rows if row[0]}}
            if program == "mogstored":
                missing -= {"serverbin"}  # ignored, and told so
            self.assertEqual(missing, set(), f"{program}.8 lacks options")

    def test_tools(self):
        tools = set(os.listdir(BIN)) - set(DAEMONS) - NO_PATTERN
        self.assertGreaterEqual(len(tools), 10)
        for tool in tools:
            page, (shown, _) = documented(read(f"man/{tool}.1")), offered(tool)
            # --help of a tool has the long names.
            page = {x for x in page if len(x) > 1 and x.removeprefix("no") not in shown} | (page & shown)
            self.assertEqual(page - shown - OLD.get(tool, set()), set(), f"{tool}.1 has options that --help lacks")
            # Those that all tools have may be in mogilefs.conf(5) alone.
            missing = {x for x in shown - OLD.get(tool, set()) if x not in page and f"no{x}" not in page}
            self.assertEqual(missing, set(), f"{tool}.1 lacks options")

    def test_mogdbsetup(self):
        page, (shown, _) = documented(read("man/mogdbsetup.8")), offered("mogdbsetup")
        self.assertEqual(page - OLD["mogdbsetup"], shown)

    def test_every_program_has_a_page(self):
        pages = {os.path.basename(p).rsplit(".", 1)[0] for p in glob.glob(os.path.join(TREE, "man", "*"))}
        self.assertEqual(set(os.listdir(BIN)) - pages, set())


class Keys(unittest.TestCase):
    def test_each_key_is_in_the_sample_and_in_the_manual(self):
        for program, source in DAEMONS.items():
            keys = {row[2] for row in table(source) if row[2]}
            self.assertGreater(len(keys), 15)
            sample = set(re.findall(r"^#?([a-z_]+) = ?", read(f"conf/{program}.conf"), re.M))
            sample |= set(re.findall(r"^#?([a-z_]+) =$", read(f"conf/{program}.conf"), re.M))
            self.assertEqual(keys ^ sample, set(), f"keys of {program} and of conf/{program}.conf")
            page = set()
            settings = section(read(f"man/{program}.conf.5"), "SETTINGS")
            for line in re.findall(r"^\.It Ic (.*)$", settings, re.M):
                page |= set(re.findall(r"\b([a-z_]{4,})\b", re.sub(r"P[qo] .*", "", line)))
            page |= {word for word in re.findall(r"^\.Ic (\w+)", settings, re.M) if word in keys}
            self.assertEqual(keys ^ page, set(), f"keys of {program} and of {program}.conf(5)")

    def test_what_a_reload_changes(self):
        """The keys with a star in the manual are those whose rows say so."""
        for program, source in DAEMONS.items():
            reloaded = {row[2] for row in table(source) if row[2] and "RELOAD" in row[4]}
            starred = set()
            for line in re.findall(r"^\.It Ic (.*)$", read(f"man/{program}.conf.5"), re.M):
                starred |= set(re.findall(r"([a-z_]+)\*", line))
            self.assertEqual(reloaded ^ starred, set(), program)

    def test_defaults(self):
        for program, source in DAEMONS.items():
            _, defaults = offered(program)
            page = dict(re.findall(r"^\.It Ic ([a-z_]+)\*? Pq (\S+)$", read(f"man/{program}.conf.5"), re.M))
            sample = dict(re.findall(r"^#([a-z_]+) = (\S+)$", read(f"conf/{program}.conf"), re.M))
            compared = 0
            for cli, _, key, _, _ in table(source):
                if key and re.fullmatch(r"[\d.:]+", defaults.get(cli, "")):
                    for where in (page, sample):
                        if key in where:
                            self.assertEqual(where[key], defaults[cli], f"{key} of {program}")
                            compared += 1
            self.assertGreater(compared, 10, program)

    def test_the_samples_are_read(self):
        for program in DAEMONS:
            done = run(program, f"--config={os.path.join(TREE, 'conf', program + '.conf')}", "--check-config")
            self.assertIn(b"the configuration is fine", done.stdout)

    def test_a_sample_with_everything_uncommented_is_read(self):
        """Each line that shows a default is one that may be written."""
        for program in DAEMONS:
            lines = re.findall(r"^#([a-z_]+ = \S.*)$", read(f"conf/{program}.conf"), re.M)
            self.assertGreater(len(lines), 10)
            path = os.path.join(self.folder(), f"{program}.conf")
            with open(path, "w") as f:
                f.write("\n".join(line for line in lines if not line.startswith(("db_pass_file", "plugins"))) + "\n")
            done = run(program, f"--config={path}", "--check-config", check=None)
            self.assertEqual(done.returncode, 0, done.stderr.decode())

    def folder(self):
        folder = tempfile.mkdtemp(prefix="mogtest-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return folder


class Environment(unittest.TestCase):
    def test_variables_are_documented(self):
        sources = {"mogilefsd": ["src/tracker/*.c", "src/tracker/*/*.c"], "mogstored": ["src/mogstored/*.c"]}
        for program, patterns in sources.items():
            used = set()
            for pattern in patterns + ["src/common/handover.c"]:
                for path in glob.glob(os.path.join(TREE, pattern)):
                    used |= set(re.findall(r'getenv\("([A-Z_]+)"\)', read(path)))
            # Two are for tests alone; PATH is no setting of ours.
            used = {name for name in used if not name.startswith("T_")} - {"PATH", "TESTING"}
            page = section(read(f"man/{program}.8"), "ENVIRONMENT")
            for name in used:
                self.assertIn(name, page, f"{program}.8 does not tell of {name}")
            for names in re.findall(r"^\.It Ev (.*)$", page, re.M):
                for name in names.split(" , "):
                    self.assertTrue(name in used | {"NOTIFY_SOCKET", "MOGSTORED_FD"}, f"{program} does not use {name}")


class Pages(unittest.TestCase):
    def test_form(self):
        """The formatter has nothing to complain of, and each page has what a page must have."""
        groff = shutil.which("groff")
        self.assertTrue(groff, "groff (package groff-base) reads the pages")
        for path in sorted(glob.glob(os.path.join(TREE, "man", "*"))):
            done = subprocess.run([groff, "-mdoc", "-Tutf8", "-ww", "-z", path], capture_output=True, text=True, timeout=30)
            self.assertEqual((done.returncode, done.stderr), (0, ""), path)
            text = read(path)
            self.assertIn(".Sh NAME\n", text, path)
            self.assertIn(".Sh DESCRIPTION\n", text, path)

    def test_cross_references(self):
        ours = {os.path.basename(p) for p in glob.glob(os.path.join(TREE, "man", "*"))}
        for page in ours:
            for name, number in re.findall(r"\bXr (\S+) (\d)", read(f"man/{page}")):
                if name.startswith("mog"):
                    self.assertIn(f"{name}.{number}", ours, page)


if __name__ == "__main__":
    unittest.main()
