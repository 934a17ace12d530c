# SPDX-License-Identifier: MIT
"""A tracker with two storage nodes that a test can make answer as it likes."""
from cluster import ClusterTest, free_port, wait_until
from fake_node import FakeNode


class FakeNodesTest(ClusterTest):
    nodes = 0
    options = {"replicate_jobs": 2, "node_timeout": 1, "conn_timeout": 1}
    side_port = free_port()

    @classmethod
    def setUpClass(cls):
        cls.options = {**cls.options, "mogstored_stream_port": cls.side_port}
        cls.fakes = [FakeNode(cls.side_port) for _ in range(2)]
        super().setUpClass()
        with cls.cluster.client() as c:
            for i, fake in enumerate(cls.fakes, 1):
                c.request("create_host", host=f"h{i}", ip=fake.address, port=fake.port, status="alive")
                c.request("create_device", devid=i, hostname=f"h{i}")
        cls.cluster.wait_writeable([1, 2])

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            for fake in cls.fakes:
                fake.close()

    def setUp(self):
        super().setUp()
        self.name = self.domain(one=1, two=2)
        self.client.request("create_class", domain=self.name, **{"class": "sums"}, mindevcount=2, hashtype="MD5")
        for fake in self.fakes:
            fake.forget_requests()

    def tearDown(self):
        for fake in self.fakes:
            fake.rules.clear()
            fake.side_answer = None
        for key in self.client.keys(self.name):
            self.client.request("delete", domain=self.name, key=key)
        for i in (1, 2):
            self.client.request("set_state", host=f"h{i}", device=i, state="alive")
        self.cluster.wait_writeable([1, 2])
        self.want(2)

    def rows(self, sql):
        return self.cluster.database.rows(sql)

    def on(self, fid):
        return [int(r[0]) for r in self.rows(f"SELECT devid FROM file_on WHERE fid={fid} ORDER BY devid")]

    def want(self, n):
        self.client.admin(f"!want {n} replicate")
        wait_until(lambda: self.client.jobs()["replicate"]["count"] == n, 60)

    def stored(self, class_, data=b"some bytes", dev=1, **more):
        """A file on device `dev` alone, with the replicators held."""
        self.want(0)
        other = 3 - dev
        self.client.request("set_state", host=f"h{other}", device=other, state="readonly")
        opened = self.client.upload(self.name, self._testMethodName, data, class_=class_, **more)
        self.client.request("set_state", host=f"h{other}", device=other, state="alive")
        self.cluster.wait_writeable([1, 2])
        path = "/" + opened["path"].split("/", 3)[3]
        return opened["fid"], path, path.replace(f"/dev{dev}/", f"/dev{other}/")

    def failcount(self, fid):
        got = self.rows(f"SELECT failcount FROM file_to_replicate WHERE fid={fid}")
        return int(got[0][0]) if got else -1

    def retry(self):
        self.client.request("replicate_now")

    def observed(self, devid):
        self.client.request("clear_cache")
        return self.cluster.devices()[devid]
