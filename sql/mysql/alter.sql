-- SPDX-License-Identifier: MIT
-- What older MySQL schemas lack, in this order.

-- missing host.http_get_port
ALTER TABLE host ADD COLUMN http_get_port MEDIUMINT UNSIGNED AFTER http_port;

-- missing host.altip
ALTER TABLE host ADD COLUMN altip VARCHAR(15) AFTER hostip, ADD COLUMN altmask VARCHAR(18) AFTER altip, ADD UNIQUE altip (altip);

-- missing device.mb_asof
ALTER TABLE device ADD COLUMN mb_asof INT(10) UNSIGNED AFTER mb_used;

-- missing device.weight
ALTER TABLE device ADD COLUMN weight MEDIUMINT DEFAULT 100 AFTER status;

-- lacks device.status readonly
ALTER TABLE device MODIFY COLUMN status ENUM('alive', 'dead', 'down', 'readonly');

-- lacks device.status drain
ALTER TABLE device MODIFY COLUMN status ENUM('alive', 'dead', 'down', 'readonly', 'drain');

-- missing class.replpolicy
ALTER TABLE class ADD COLUMN replpolicy VARCHAR(255);

-- lacks server_settings.value text
ALTER TABLE server_settings MODIFY COLUMN value TEXT;

-- missing file_to_queue.arg
ALTER TABLE file_to_queue ADD COLUMN arg TEXT;

-- has device.mb_total mediumint
ALTER TABLE device MODIFY COLUMN mb_total INT UNSIGNED;

-- has device.mb_used mediumint
ALTER TABLE device MODIFY COLUMN mb_used INT UNSIGNED;

-- missing class.hashtype
ALTER TABLE class ADD COLUMN hashtype TINYINT UNSIGNED;

-- lacks host.status readonly
ALTER TABLE host MODIFY COLUMN status ENUM('alive', 'dead', 'down', 'readonly');
