# SPDX-License-Identifier: MIT
"""Lookups that are done in two ways: each has the same answer in both."""
import hashlib


class LookupCases:
    """For a ClusterTest. Its both_ways(lines) gives the answers one way, and those the other way."""

    files = {"one": ["a", "b", "c", "Case", b"odd \x00\xff\n key", "%_'\\"], "two": ["a", "only two"]}

    def setUp(self):
        super().setUp()
        for domain, keys in self.files.items():
            if not self.client.call("create_domain", domain=domain).ok:
                continue
            for key in keys:
                self.client.upload(domain, key, b"some bytes")

    def same(self, lines):
        alone, together = self.both_ways(lines)
        for line, a, b in zip(lines, alone, together):
            self.assertEqual(a, b, line)
        return together

    def test_files_of_two_domains_and_no_files(self):
        answers = self.same([
            b"get_paths domain=one&key=a&noverify=1", b"file_info domain=one&key=b&devices=1",
            b"get_paths domain=two&key=a&noverify=1", b"get_paths domain=one&key=absent&noverify=1",
            b"get_paths domain=one&key=a&noverify=1&callid=7", b"file_info domain=two&key=only+two",
            b"get_paths domain=none&key=a&noverify=1", b"file_info domain=one", b"file_info",
            b"get_paths domain=one&noverify=1&key="])
        self.assertEqual(sum(a.startswith(b"OK ") for a in answers), 5)

    def test_what_each_needs_to_know(self):
        """Some need the copies alone, some the row, some both, and a checksum where the class has one."""
        if self.client.call("create_domain", domain="sums").ok:
            self.client.request("create_class", domain="sums", mindevcount=1, hashtype="MD5", **{"class": "md5"})
            digest = "MD5:" + hashlib.md5(b"bytes").hexdigest()
            self.client.upload("sums", "with", b"bytes", class_="md5", checksum=digest)
            self.client.upload("sums", "without", b"bytes")
        paths = [b"get_paths domain=%s&key=%s&noverify=1" % pair for pair in ((b"one", b"a"), (b"sums", b"with"), (b"sums", b"without"))]
        info = [line.replace(b"get_paths", b"file_info") for line in paths]
        devices = [line + b"&devices=1" for line in info]
        for lines in (paths, info, devices, paths + info, paths + devices, info + devices, paths + info + devices):
            answers = self.same(lines)
            self.assertTrue(all(a.startswith(b"OK ") for a in answers), answers)
            self.assertEqual(sum(b"devids=" in a for a in answers), 3 if devices[0] in lines else 0)
            with_sums = lines.count(info[1]) + lines.count(devices[1])
            self.assertEqual(sum(b"checksum=MD5:" in a for a in answers), with_sums)

    def test_odd_keys_harm_nobody(self):
        answers = self.same([
            b"get_paths domain=one&key=odd+%00%FF%0A+key&noverify=1", b"file_info domain=one&key=%25_%27%5C",
            b"get_paths domain=one&key=" + b"k" * 5000 + b"&noverify=1", b"file_info domain=one&key=" + b"k" * 2000, b"file_info domain=one&key=%F0%9F%92%A9",
            b"file_info domain=one&key=%ED%A0%80", b"file_info domain=one&key=a%00", b"get_paths domain=one&key=c&noverify=1",
            b"file_info domain=one&key=case", b"file_info domain=one&key=Case", b"file_info domain=one&key=c+"])
        self.assertTrue(answers[0].startswith(b"OK ") and answers[7].startswith(b"OK "))

    def test_more_than_go_together(self):
        answers = self.same([b"file_info domain=one&key=%s&n=%d" % (b"abc"[i % 3:i % 3 + 1], i) for i in range(55)])
        self.assertTrue(all(a.startswith(b"OK ") for a in answers))
