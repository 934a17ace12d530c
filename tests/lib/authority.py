# SPDX-License-Identifier: MIT
"""A certificate authority of our own, for servers that speak TLS."""
import os
import subprocess


class Authority:
    """Keys and certificates in `folder`, made by openssl."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        os.makedirs(folder, exist_ok=True)
        self.cert = os.path.join(folder, name + ".pem")
        self.key = os.path.join(folder, name + ".key")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                     "-subj", f"/CN=authority {name}", "-keyout", self.key, "-out", self.cert)

    @staticmethod
    def openssl(*args):
        done = subprocess.run(["openssl", *args], capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()

    def issue(self, address, owner=None):
        """A server's certificate and key for an address, as their paths; `owner`: who may read them."""
        base = os.path.join(self.folder, f"{self.name}-{address}")
        key, request, cert, names = (base + end for end in (".key", ".csr", ".pem", ".ext"))
        with open(names, "w") as f:
            f.write(f"subjectAltName=IP:{address}\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                     f"/CN={address}", "-keyout", key, "-out", request)
        self.openssl("x509", "-req", "-days", "2", "-in", request, "-CA", self.cert, "-CAkey", self.key,
                     "-CAcreateserial", "-extfile", names, "-out", cert)
        os.chmod(key, 0o600)
        if owner is not None:
            for path in key, cert:
                os.chown(path, owner, -1)
        return cert, key
