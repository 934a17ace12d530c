#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The storage node against Debian's nginx with its dav module: GET and PUT of 4 KB and 1 MB, on the same files.

    MOG_BIN=build/bin tests/bench/against_nginx.py [--seconds=2] [--rounds=5] [--folder=/tmp] [--json]

Needs nginx-light, libnginx-mod-http-dav-ext and wrk. Both servers take turns in every round; each figure is the median of
the rounds, and the ratio is that of the medians. fsync is off, since nginx does not sync either.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from cluster import Node  # noqa: E402
from waiting import free_port, new_address, port_open, wait_until  # noqa: E402
from wrk import put_lua, wrk  # noqa: E402

CONNECTIONS = 32

NGINX = """
load_module /usr/lib/nginx/modules/ngx_http_dav_ext_module.so;
worker_processes 2; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000; client_max_body_size 100m;
  client_body_temp_path {root}/dev1/tmp; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen {address}:{port} backlog=1024; root {root}; location / {{ dav_methods PUT DELETE; create_full_put_path on; }} }}
}}
"""


class Bench:
    def __init__(self, args):
        self.args = args
        self.folder = tempfile.mkdtemp(prefix="mogbench-", dir=args.folder)
        self.node = Node(self.folder, "node", [1], options={"fsync": "off"})
        self.node.start()
        for size, name in ((4096, "4k"), (1048576, "1m")):
            os.makedirs(os.path.join(self.node.docroot, "dev1", name))
            for i in range(64):
                with open(os.path.join(self.node.docroot, "dev1", name, f"{i}.fid"), "wb") as f:
                    f.write(os.urandom(size))
        self.address = new_address()
        self.port = free_port(self.address)
        conf = os.path.join(self.folder, "nginx.conf")
        with open(conf, "w") as f:
            f.write("user root;" + NGINX.format(folder=self.folder, root=self.node.docroot, address=self.address,
                                                port=self.port))
        self.nginx = subprocess.Popen(["nginx", "-c", conf, "-p", self.folder])
        wait_until(lambda: port_open(self.address, self.port), what="nginx listens")

    def close(self):
        self.nginx.terminate()
        self.nginx.wait()
        self.node.stop()
        shutil.rmtree(self.folder)

    def pair(self, name, lua, headers=()):
        bases = {"mogstored": self.node.url(""), "nginx": f"http://{self.address}:{self.port}"}
        got = {k: [] for k in bases}
        for _ in range(self.args.rounds):
            for k, base in bases.items():
                got[k].append(wrk(self.folder, base, lua, self.args.seconds, CONNECTIONS, headers=headers))
        ours, theirs = (statistics.median(got[k]) for k in ("mogstored", "nginx"))
        return {"work": name, "mogstored": round(ours), "nginx": round(theirs), "ratio": round(ours / theirs, 2)}

    def run(self):
        for name in ("4k", "1m"):
            get = f'local n = 0\nfunction request() n = n + 1 return wrk.format("GET", "/dev1/{name}/" .. n % 64 .. ".fid") end'
            yield self.pair(f"GET {name}", get)
            if name == "4k":
                yield self.pair("GET 4k, no keep-alive", get, ["Connection: close"])
            size = 4096 if name == "4k" else 1048576
            yield self.pair(f"PUT {name}", put_lua(size, name + "w"))
            if name == "4k":
                yield self.pair("PUT 4k, no keep-alive", put_lua(size, name + "w"), ["Connection: close"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", default=None, help="where the files lie (default: the system's scratch folder)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    bench = Bench(args)
    try:
        rows = []
        for row in bench.run():
            rows.append(row)
            if not args.json:
                print("{work:24} mogstored {mogstored:>8}/s   nginx {nginx:>8}/s   ratio {ratio:.2f}".format(**row), flush=True)
        if args.json:
            print(json.dumps(rows, indent=1))
    finally:
        bench.close()


if __name__ == "__main__":
    main()
