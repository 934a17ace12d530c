# SPDX-License-Identifier: MIT
"""Load on one storage node with the program wrk."""
import os
import re
import subprocess
import sys

PUT_LUA = """
local n, thread = 0, 0
function setup(t) t:set("id", thread); thread = thread + 1 end
function init(args) body = string.rep("x", {size}) end
function request()
  n = n + 1
  return wrk.format("PUT", {path}, {{["Content-Length"] = #body}}, body)
end
"""


def put_lua_to(size, path):
    """A script that stores files of `size` bytes; `path` is an expression of Lua, with the thread's `id` and a count `n`."""
    return PUT_LUA.format(size=size, path=path)


def put_lua(size, folder, names=0):
    """The same below a folder of a device: under new names, a thousand in a folder as trackers give them to one device, or
    under `names` for each thread again and again.
    """
    if names:
        return put_lua_to(size, f'string.format("{folder}/%d-%d.fid", id, n % {names})')
    return put_lua_to(size, f'string.format("{folder}/%03d/%d-%d.fid", math.floor(n / 500), id, n)')


def run(folder, base, lua, seconds, connections, path, headers, *options):
    script = os.path.join(folder, "w.lua")
    with open(script, "w") as f:
        f.write(lua)
    out = subprocess.run(["wrk", "-t2", f"-c{connections}", f"-d{seconds}", "-s", script, *options,
                          *[x for h in headers for x in ("-H", h)], base + path],
                         capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        print(out, file=sys.stderr)
    return out


def wrk(folder, base, lua, seconds, connections=32, path="/", headers=()):
    """Run it for some seconds with two threads; the requests a second. Failed requests are shown on stderr."""
    out = run(folder, base, lua, seconds, connections, path, headers)
    return float(next(line.split()[1] for line in out.splitlines() if line.startswith("Requests/sec")))


def wrk_latency(folder, base, lua, seconds, connections=32):
    """The same; the median and the 99th percentile in ms."""
    units = {"us": 0.001, "ms": 1, "s": 1000}
    out = run(folder, base, lua, seconds, connections, "/", (), "--latency")
    got = {}
    for line in out.splitlines():
        match = re.fullmatch(r"\s+(50|99)%\s+([0-9.]+)(us|ms|s)", line)
        if match:
            got[match[1]] = float(match[2]) * units[match[3]]
    return got["50"], got["99"]
