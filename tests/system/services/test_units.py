# SPDX-License-Identifier: MIT
"""systemd units, users, folders, log rotation and scripts: what the programs that read them think of them."""
import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from daemon import program

TREE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
INIT = os.path.join(TREE, "init")
DAEMONS = ("mogilefsd", "mogstored")
EXPOSURE = 3.0


def read(*path):
    with open(os.path.join(TREE, *path)) as f:
        return f.read()


def output(*command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, text=True, **more)
    return done.returncode, done.stdout


class Units(unittest.TestCase):
    def test_verify(self):
        with tempfile.TemporaryDirectory(prefix="mogtest-") as folder:
            paths = []
            for name in DAEMONS:
                for kind in ("service", "socket"):
                    text = read("init", f"{name}.{kind}").replace(f"/usr/bin/{name}", program(name))
                    paths.append(os.path.join(folder, f"{name}.{kind}"))
                    with open(paths[-1], "w") as f:
                        f.write(text)
            # The manual pages are not installed here; that they are in the tree is another test.
            status, said = output("systemd-analyze", "verify", "--man=no", *paths)
            self.assertEqual((status, said.strip()), (0, ""))

    def test_security(self):
        for name in DAEMONS:
            status, said = output("systemd-analyze", "security", "--offline=true", "--no-pager",
                                  os.path.join(INIT, f"{name}.service"))
            self.assertEqual(status, 0, said)
            level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
            self.assertLess(float(level.group(1)), EXPOSURE, said)

    def test_manual_pages_are_there(self):
        for path in glob.glob(os.path.join(INIT, "*.service")) + glob.glob(os.path.join(INIT, "*.socket")):
            for page, section in re.findall(r"man:(\S+)\((\d)\)", read("init", os.path.basename(path))):
                self.assertTrue(os.path.exists(os.path.join(TREE, "man", f"{page}.{section}")), page)

    def test_what_the_units_promise(self):
        for name in DAEMONS:
            unit = read("init", f"{name}.service")
            for line in ("Type=notify", "NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateTmp=yes",
                         "Restart=on-failure", f"User={name}", f"ConditionPathExists=/etc/mogilefs/{name}.conf"):
                self.assertIn(f"\n{line}\n", unit)
            self.assertRegex(unit, r"\nLimitNOFILE=\d{5,}\n")
            self.assertRegex(unit, r"\nExecReload=/bin/kill -HUP \$MAINPID\n")
        self.assertEqual(re.findall(r"^ReadWritePaths=(.*)", read("init", "mogstored.service"), re.M), ["-/var/mogdata"])
        self.assertNotIn("ReadWritePaths", read("init", "mogilefsd.service"))

    def test_options_of_the_units_are_understood(self):
        """What ExecStart gives the daemon, with a file of its own, must be what it takes."""
        with tempfile.TemporaryDirectory(prefix="mogtest-") as folder:
            for name in DAEMONS:
                config = os.path.join(folder, f"{name}.conf")
                shutil.copy(os.path.join(TREE, "conf", f"{name}.conf"), config)
                line = re.search(r"^ExecStart=(.*)$", read("init", f"{name}.service"), re.M).group(1)
                words = [w.replace(f"/etc/mogilefs/{name}.conf", config) for w in line.split() if not w.startswith("$")]
                status, said = output(program(name), *words[1:], "--check-config")
                self.assertEqual((status, said), (0, f"{name}: the configuration is fine\n"))


class OtherFiles(unittest.TestCase):
    def test_users_and_folders(self):
        with tempfile.TemporaryDirectory(prefix="mogtest-") as root:
            os.mkdir(os.path.join(root, "etc"))
            with open(os.path.join(root, "etc", "group"), "w") as f:
                f.write("root:x:0:\nadm:x:4:\n")
            with open(os.path.join(root, "etc", "passwd"), "w") as f:
                f.write("root:x:0:0::/root:/bin/sh\n")
            for name in DAEMONS:
                status, said = output("systemd-sysusers", f"--root={root}", os.path.join(INIT, f"{name}.sysusers.conf"))
                self.assertEqual(status, 0, said)
            with open(os.path.join(root, "etc", "passwd")) as f:
                users = {line.split(":")[0]: line.strip().split(":") for line in f}
            self.assertEqual(users["mogilefsd"][5], "/var/lib/mogilefs")
            self.assertEqual(users["mogstored"][5], "/var/mogdata")
            for name in DAEMONS:
                self.assertTrue(users[name][6].endswith("/nologin"), users[name])
                if os.getuid() == 0:
                    status, said = output("systemd-tmpfiles", "--create", f"--root={root}",
                                          os.path.join(INIT, f"{name}.tmpfiles.conf"))
                    self.assertEqual(status, 0, said)
                    for folder in re.findall(r"^d (\S+)", read("init", f"{name}.tmpfiles.conf"), re.M):
                        self.assertEqual(os.stat(root + folder).st_uid, int(users[name][2]), folder)

    def test_log_rotation(self):
        for name in DAEMONS:
            with tempfile.TemporaryDirectory(prefix="mogtest-") as folder:
                text = read("init", f"{name}.logrotate")
                self.assertIn(f"su {name} adm", text)
                path = os.path.join(folder, "conf")
                with open(path, "w") as f:
                    f.write(re.sub(r"su \S+ \S+", "su root root", text))
                status, said = output("logrotate", "--debug", "--state", os.path.join(folder, "state"), path)
                self.assertEqual(status, 0, said)
                self.assertNotIn("error", said)

    def test_scripts_are_plain_shell(self):
        scripts = glob.glob(os.path.join(INIT, "*.init")) + glob.glob(os.path.join(TREE, "packaging", "debian", "*.p*"))
        self.assertEqual(len(scripts), 8)
        status, said = output("checkbashisms", "--posix", "--extra", *scripts)
        self.assertEqual((status, said), (0, ""))
        for script in scripts:
            status, said = output("dash", "-n", script)
            self.assertEqual((status, said), (0, ""), script)
            self.assertTrue(os.access(script, os.X_OK), script)
            for word in ("killall", "pkill", "pidof"):
                self.assertNotIn(word, read(os.path.relpath(script, TREE)))

    def test_lsb_headers(self):
        for name in DAEMONS:
            text = read("init", f"{name}.init")
            header = re.search(r"### BEGIN INIT INFO\n(.*)### END INIT INFO\n", text, re.S).group(1)
            fields = dict(re.findall(r"^# ([\w-]+): +(.*)$", header, re.M))
            self.assertEqual(fields["Provides"], name)
            self.assertEqual((fields["Default-Start"], fields["Default-Stop"]), ("2 3 4 5", "0 1 6"))
            for field in ("Required-Start", "Required-Stop", "Short-Description", "Description"):
                self.assertTrue(fields[field], field)


if __name__ == "__main__":
    unittest.main()
