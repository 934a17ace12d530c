# SPDX-License-Identifier: MIT
"""The Debian packages, with the programs that are tested: what is in them, what lintian says, and that they run.

scripts/test-packages goes further: it installs, upgrades and purges them in a system of its own.
"""
import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import build
from cluster import Client, Node, Tracker
from waiting import wait_until

TREE = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".."))
PACKAGES = ("mogilefsd", "mogstored", "mogilefs-utils")


def output(*command, status=0, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, **more)
    assert done.returncode == status, f"{' '.join(command)}: {done.returncode}\n{done.stdout}"
    return done.stdout


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="mogtest-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        made = os.path.join(cls.folder, "build")
        output("cmake", "-S", TREE, "-B", made, "-G", "Ninja", "-DMOG_PACKAGES=ON", "-DCMAKE_INSTALL_PREFIX=/usr",
               f"-DMOG_PREBUILT={os.path.abspath(build.BIN)}")
        output("cmake", "--build", made)
        output("cpack", "-G", "DEB", cwd=made)
        cls.files = {os.path.basename(path).split("_")[0]: path for path in glob.glob(os.path.join(made, "*.deb"))}
        cls.root = os.path.join(cls.folder, "root")
        os.makedirs(os.path.join(cls.folder, "control"))
        for path in cls.files.values():
            output("dpkg-deb", "-x", path, cls.root)
            output("dpkg-deb", "-e", path, os.path.join(cls.folder, "control", os.path.basename(path).split("_")[0]))

    def field(self, package, name):
        return output("dpkg-deb", "-f", self.files[package], name).strip()

    def contents(self, package):
        lines = output("dpkg-deb", "-c", self.files[package]).splitlines()
        return {line.split()[5].removeprefix("."): line.split() for line in lines}

    def test_names_and_fields(self):
        self.assertEqual(sorted(self.files), sorted(PACKAGES))
        for package in PACKAGES:
            self.assertRegex(self.field(package, "Version"), r"^3\.\d+\.\d+-1$")
            self.assertEqual(self.field(package, "Architecture"), output("dpkg", "--print-architecture").strip())
            self.assertIn("libc6", self.field(package, "Depends"))
            self.assertGreater(len(self.field(package, "Description").splitlines()), 3)
        self.assertIn("libsqlite3-0", self.field("mogilefsd", "Depends"))
        self.assertIn("libmicrohttpd12", self.field("mogilefsd", "Depends"))
        for library in ("sqlite", "mariadb", "libpq", "libmicrohttpd", "libcurl"):
            self.assertNotIn(library, self.field("mogstored", "Depends"))
        for package in ("mogilefsd", "mogstored"):
            self.assertIn("adduser", self.field(package, "Depends"))

    def test_contents(self):
        everything = {}
        for package in PACKAGES:
            files = self.contents(package)
            for path, line in files.items():
                self.assertEqual(line[1], "root/root", path)
                self.assertFalse(line[0][5] == "w" or line[0][8] == "w", f"{path} is writeable for others")
                if not path.endswith("/"):
                    self.assertNotIn(path, everything, f"{path} is in {package} and {everything.get(path)}")
                    everything[path] = package
            for name in ("copyright", "changelog.Debian.gz", "README.md"):
                self.assertIn(f"/usr/share/doc/{package}/{name}", files)
        programs = {path.split("/")[-1] for path in everything if path.startswith("/usr/bin/")}
        self.assertEqual(programs, set(os.listdir(build.BIN)))
        for name in programs:
            manuals = [path for path in everything if re.fullmatch(rf"/usr/share/man/man\d/{name}\.\d\.gz", path)]
            self.assertEqual(len(manuals), 1, name)
            self.assertEqual(everything[manuals[0]], everything[f"/usr/bin/{name}"], f"{name} and its manual")
        for package in ("mogilefsd", "mogstored"):
            for path in (f"/usr/lib/systemd/system/{package}.service", f"/usr/lib/systemd/system/{package}.socket",
                         f"/usr/lib/sysusers.d/{package}.conf", f"/usr/lib/tmpfiles.d/{package}.conf",
                         f"/usr/share/doc/{package}/examples/{package}.conf"):
                self.assertEqual(everything[path], package)
            # The administrator's files are conffiles; the configuration itself is made by hand, or there already.
            with open(os.path.join(self.folder, "control", package, "conffiles")) as f:
                conffiles = f.read().split()
            self.assertEqual(sorted(conffiles), sorted(path for path in everything if path.startswith("/etc/") and
                                                       everything[path] == package and not path.endswith("/")))
            self.assertEqual(len(conffiles), 3)
            self.assertNotIn(f"/etc/mogilefs/{package}.conf", everything)
        self.assertFalse([path for path in everything if path.startswith("/etc/") and everything[path] == "mogilefs-utils"])

    def test_maintainer_scripts(self):
        for package in ("mogilefsd", "mogstored"):
            folder = os.path.join(self.folder, "control", package)
            for script in ("postinst", "prerm", "postrm"):
                path = os.path.join(folder, script)
                self.assertEqual(output("dash", "-n", path), "")
                self.assertTrue(os.access(path, os.X_OK))
                output(path, "nonsense", status=1)
            for word in ("abort-upgrade", "abort-remove"):
                output(os.path.join(folder, "postinst"), word)
            output(os.path.join(folder, "prerm"), "upgrade", "3.1.0-1")
        self.assertEqual(sorted(os.listdir(os.path.join(self.folder, "control", "mogilefs-utils"))), ["control", "md5sums"])

    def test_lintian(self):
        said = output("lintian", "--allow-root", "--fail-on", "error", *self.files.values())
        self.assertNotRegex(said, r"(?m)^E:")

    def test_the_programs_run_from_there(self):
        """A file stored and fetched with what was unpacked."""
        programs = os.path.join(self.root, "usr", "bin")
        scratch = os.path.join(self.folder, "cluster")
        os.makedirs(os.path.join(scratch, "state"))
        self.addCleanup(setattr, build, "BIN", build.BIN)
        build.BIN = programs
        node = Node(scratch, "node1", [1, 2])
        tracker = Tracker(scratch, {"state_dir": os.path.join(scratch, "state"), "mogstored_stream_port": node.side_port})
        for process in (node, tracker):
            process.start()
            self.addCleanup(process.kill)
            self.assertEqual(os.readlink(f"/proc/{process.pid}/exe"), os.path.join(programs, process.name))
        trackers = f"--trackers={tracker.hostport}"

        def tool(name, *args):
            return output(os.path.join(programs, name), trackers, *args)
        tool("mogadm", "host", "add", "node1", f"--ip={node.address}", f"--port={node.port}", "--status=alive")
        for device in ("1", "2"):
            tool("mogadm", "device", "add", "node1", device)
        tool("mogadm", "domain", "add", "album")
        wait_until(lambda: tool("mogadm", "check").count(" writeable ") == 2)
        tool("mogupload", "--domain=album", "--key=/readme", f"--file={os.path.join(TREE, 'README.md')}")
        fetched = os.path.join(self.folder, "fetched")
        tool("mogfetch", "--domain=album", "--key=/readme", f"--file={fetched}")
        with open(fetched) as a, open(os.path.join(TREE, "README.md")) as b:
            self.assertEqual(a.read(), b.read())
        with Client(tracker.address, tracker.port) as client:
            self.assertEqual(client.keys("album"), ["/readme"])
        tracker.stop()
        node.stop()


if __name__ == "__main__":
    unittest.main()
