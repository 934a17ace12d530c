#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The storage node against Debian's nginx with its dav module: GET and PUT of 4 KB and 1 MB, on the same files.

    MOG_BIN=build/bin tests/bench/against_nginx.py [--seconds=2] [--rounds=5] [--folder=FOLDER] [--json]

Needs nginx-light, libnginx-mod-http-dav-ext and wrk. Both servers take turns in every round; each figure is the median of
the rounds, and the ratio is that of the medians. fsync is off, since nginx does not sync either. Files of 4 KB get new names,
as trackers give them; those of 1 MB replace each other, since there would be too many gigabytes of them. Nothing is removed
before the end. The files lie on a file system of their own (own_ext4.py) where that can be, unless there is a --folder.
"""
import itertools
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from cluster import Node  # noqa: E402
from measuring import command_line, parse, show, turns  # noqa: E402
from own_ext4 import OwnExt4  # noqa: E402
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


def get_lua(folder):
    return f'local n = 0\nfunction request() n = n + 1 return wrk.format("GET", "/dev1/{folder}/" .. n % 64 .. ".fid") end'


class Bench:
    def __init__(self, args):
        self.args = args
        self.turn = itertools.count()
        self.own = None if args.folder else OwnExt4()
        self.folder = self.own.folder if self.own else tempfile.mkdtemp(prefix="mogbench-")
        self.node = self.nginx = None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
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
        if self.nginx:
            self.nginx.terminate()
            self.nginx.wait()
        if self.node:
            self.node.stop()
        if self.own:
            self.own.close()
        else:
            shutil.rmtree(self.folder)

    def put_4k(self):
        return put_lua(4096, f"/dev1/4kw/{next(self.turn)}")

    def pair(self, name, make_lua, headers=()):
        def side(base):
            return lambda: wrk(self.folder, base, make_lua(), self.args.seconds, CONNECTIONS, headers=headers)
        ours, theirs = turns(self.args.rounds, side(self.node.url("")), side(f"http://{self.address}:{self.port}"))
        return {"work": name, "mogstored": round(ours), "nginx": round(theirs), "ratio": round(ours / theirs, 2)}

    def run(self):
        close = ["Connection: close"]
        yield self.pair("GET 4k", lambda: get_lua("4k"))
        yield self.pair("GET 4k, no keep-alive", lambda: get_lua("4k"), close)
        yield self.pair("PUT 4k", self.put_4k)
        yield self.pair("PUT 4k, no keep-alive", self.put_4k, close)
        yield self.pair("GET 1m", lambda: get_lua("1m"))
        yield self.pair("PUT 1m", lambda: put_lua(1 << 20, "/dev1/1mw", 200))


def main():
    args = parse(command_line(__doc__, seconds=2, rounds=5, folder=None))
    bench = Bench(args)
    try:
        show(args, bench.run(), "{0[work]:24} mogstored {0[mogstored]:>8}/s   nginx {0[nginx]:>8}/s   ratio {0[ratio]:.2f}".format)
    finally:
        bench.close()


if __name__ == "__main__":
    main()
