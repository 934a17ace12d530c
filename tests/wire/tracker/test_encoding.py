# SPDX-License-Identifier: MIT
"""How command words, names and values are read and written, byte by byte."""
import unittest

from cluster import ClusterTest

UNKNOWN = b"ERR unknown_command Unknown+server+command"


class Words(ClusterTest):
    def raw(self, line):
        self.client.send(line + b"\r\n")
        return self.client.line()

    def test_case_of_the_command_does_not_matter(self):
        for word in (b"noop", b"NOOP", b"NoOp"):
            self.assertEqual(self.raw(word), b"OK ")
        self.assertEqual(self.raw(b"Test CALLID=1"), b"OK ")

    def test_blanks_before_and_behind_the_command(self):
        for line in (b"  noop", b"\tnoop", b"noop   ", b" \t noop \t callid=1"):
            self.assertTrue(self.raw(line).startswith(b"OK "), line)

    def test_any_other_byte_ends_the_command(self):
        for line in (b"noop?x=1", b"noop:foo", b"noop/", b"noop=1", b"noop\xff"):
            self.assertEqual(self.raw(line), b"OK ", line)
        self.assertEqual(self.raw(b"noop&callid=5"), b"OK callid=5")

    def test_unknown_commands(self):
        for line in (b"nosuchcommand", b"noopx", b"noop1", b"noop_", b"?noop", b"\xffnoop", b" !version", b"-", b"=",
                     b"stats", b"checker", b"ping", b"get_domain", b"list_hosts", b"update_device", b"delete_device",
                     b"help", b"quit", b"plugin_foo arg1=1", b"_"):
            self.assertEqual(self.raw(line), UNKNOWN, line)

    def test_zero_bytes_in_a_line(self):
        self.assertEqual(self.raw(b"noop\x00callid=1"), b"OK ")
        self.assertEqual(self.raw(b"clear_cache a=1\x002"), b"OK a=1%002")


class Arguments(ClusterTest):
    """clear_cache answers with its own arguments, decoded and encoded again."""

    def echo(self, args):
        answer = self.client.ask(b"clear_cache " + args)
        self.assertTrue(answer.ok, answer)
        return {k.encode("utf-8", "surrogateescape"): v.encode("utf-8", "surrogateescape")
                for k, v in answer.args.items()}

    def test_plain(self):
        self.assertEqual(self.echo(b""), {})
        self.assertEqual(self.echo(b"a=1&b=2"), {b"a": b"1", b"b": b"2"})
        self.assertEqual(self.echo(b"A=1&a=2"), {b"A": b"1", b"a": b"2"})

    def test_pieces_that_count_for_nothing(self):
        self.assertEqual(self.echo(b"&a=1&&b=2&0&"), {b"a": b"1", b"b": b"2"})

    def test_second_equals_sign_ends_the_value(self):
        self.assertEqual(self.echo(b"a=b=c"), {b"a": b"b"})
        self.assertEqual(self.echo(b"a==b"), {b"a": b""})

    def test_no_value_is_an_empty_one(self):
        self.assertEqual(self.echo(b"junk&a="), {b"junk": b"", b"a": b""})

    def test_plus_and_percent(self):
        self.assertEqual(self.echo(b"a=x+y&b=%2B%25%26%3D&c=%2f%2F"),
                         {b"a": b"x y", b"b": b"+%&=", b"c": b"//"})
        self.assertEqual(self.echo(b"a+b=1&c%20d=2"), {b"a b": b"1", b"c d": b"2"})

    def test_a_percent_without_two_digits_stays(self):
        self.assertEqual(self.echo(b"a=100%&b=%zz&c=%4&d=%%41"),
                         {b"a": b"100%", b"b": b"%zz", b"c": b"%4", b"d": b"%A"})

    def test_bytes_that_need_no_escape(self):
        self.assertEqual(self.echo(b"a=x:/y(z);~ w \xe9&b=1 "), {b"a": b"x:/y(z);~ w \xe9", b"b": b"1 "})
        self.assertEqual(self.echo(b"a=1& b=2"), {b"a": b"1", b" b": b"2"})

    def test_a_repeated_name(self):
        self.assertEqual(self.echo(b"a=1&a=2"), {b"a": b"1\x002"})
        self.assertEqual(self.echo(b"a=0&a=5")[b"a"], b"05")
        self.assertEqual(self.echo(b"a=&a=5")[b"a"], b"5")

    def test_every_byte_there_and_back(self):
        every = bytes(range(256))
        self.assertEqual(self.echo(b"a=" + b"".join(b"%%%02x" % b for b in every)), {b"a": every})

    def test_which_bytes_are_escaped(self):
        plain = b"ABCXYZabcxyz0189_,-./\\:"
        rest = bytes(b for b in range(256) if b not in plain and not chr(b).isalnum() or b >= 0x80)
        line = b"clear_cache a=" + b"".join(b"%%%02X" % b for b in plain + rest) + b"\r\n"
        self.client.send(line)
        want = plain + b"".join(b"+" if b == 0x20 else b"%%%02X" % b for b in rest)
        self.assertEqual(self.client.line(), b"OK a=" + want)


class CallId(ClusterTest):
    def raw(self, line):
        self.client.send(line + b"\r\n")
        return self.client.line()

    def test_it_comes_back(self):
        self.assertEqual(self.raw(b"NOOP callid=42"), b"OK callid=42")
        self.assertEqual(self.raw(b"noop callid="), b"OK callid=")
        self.assertEqual(self.raw(b"bogus callid=7"), UNKNOWN + b" 7")
        self.assertEqual(self.raw(b"list_keys domain=nope&callid=x"),
                         b"ERR unreg_domain Domain+name+invalid/not+found x")
        self.assertEqual(self.raw(b"delete callid=a%20b%26"), b"ERR no_domain No+domain+provided a+b%26")
        self.assertEqual(self.client.call("clear_cache", all=1, callid=3).args, {"all": "1", "callid": "3"})

    def test_it_does_not_leak_into_the_next_answer(self):
        self.assertEqual(self.raw(b"noop callid=1"), b"OK callid=1")
        for _ in range(20):
            self.assertEqual(self.raw(b"?"), UNKNOWN)
            self.assertEqual(self.raw(b"noop"), b"OK ")

    def test_internal_failure(self):
        self.assertEqual(self.raw(b"test crash=1"), b"ERR failure Operation+failed")
        self.assertEqual(self.raw(b"test crash=1&callid=9"), b"ERR failure Operation+failed 9")
        self.assertEqual(self.raw(b"test crash=0"), b"OK ")
        self.assertEqual(self.raw(b"test"), b"OK ")


if __name__ == "__main__":
    unittest.main()
