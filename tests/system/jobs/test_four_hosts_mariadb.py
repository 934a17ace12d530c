# SPDX-License-Identifier: MIT
"""test_four_hosts on MariaDB."""
import unittest

import test_four_hosts


class FourHostsOnMariadb(test_four_hosts.FourHosts):
    database = "mariadb"


if __name__ == "__main__":
    unittest.main()
