-- SPDX-License-Identifier: MIT
-- What older SQLite schemas lack.

-- missing host.http_get_port
ALTER TABLE host ADD COLUMN http_get_port MEDIUMINT UNSIGNED;

-- missing host.altip
ALTER TABLE host ADD COLUMN altip VARCHAR(15);

-- missing host.altmask
ALTER TABLE host ADD COLUMN altmask VARCHAR(18);

-- missing device.mb_asof
ALTER TABLE device ADD COLUMN mb_asof INT UNSIGNED;

-- missing device.weight
ALTER TABLE device ADD COLUMN weight MEDIUMINT DEFAULT 100;

-- missing class.replpolicy
ALTER TABLE class ADD COLUMN replpolicy VARCHAR(255);

-- missing file_to_queue.arg
ALTER TABLE file_to_queue ADD COLUMN arg TEXT;

-- missing class.hashtype
ALTER TABLE class ADD COLUMN hashtype TINYINT UNSIGNED;
