-- SPDX-License-Identifier: MIT
-- What older PostgreSQL schemas lack, in this order. The type of a column here includes its checks.

-- missing host.http_get_port
ALTER TABLE host ADD COLUMN http_get_port INT CHECK (http_get_port >= 0);

-- missing host.altip
ALTER TABLE host ADD COLUMN altip VARCHAR(15), ADD COLUMN altmask VARCHAR(18), ADD UNIQUE (altip);

-- missing device.mb_asof
ALTER TABLE device ADD COLUMN mb_asof INT CHECK (mb_asof >= 0);

-- missing device.weight
ALTER TABLE device ADD COLUMN weight INT DEFAULT 100;

-- lacks device.status drain
DO $do$ DECLARE c name; BEGIN FOR c IN SELECT k.conname FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey) WHERE k.conrelid = 'device'::regclass AND k.contype = 'c' AND a.attname = 'status' LOOP EXECUTE format('ALTER TABLE device DROP CONSTRAINT %I', c); END LOOP; ALTER TABLE device ADD CONSTRAINT status CHECK (status IN ('alive', 'dead', 'down', 'readonly', 'drain')); END $do$;

-- missing class.replpolicy
ALTER TABLE class ADD COLUMN replpolicy VARCHAR(255);

-- lacks server_settings.value text
ALTER TABLE server_settings ALTER COLUMN value TYPE TEXT;

-- missing file_to_queue.arg
ALTER TABLE file_to_queue ADD COLUMN arg TEXT;

-- missing class.hashtype
ALTER TABLE class ADD COLUMN hashtype SMALLINT;

-- lacks host.status readonly
DO $do$ DECLARE c name; BEGIN FOR c IN SELECT k.conname FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey) WHERE k.conrelid = 'host'::regclass AND k.contype = 'c' AND a.attname = 'status' LOOP EXECUTE format('ALTER TABLE host DROP CONSTRAINT %I', c); END LOOP; ALTER TABLE host ADD CONSTRAINT status CHECK (status IN ('alive', 'dead', 'down', 'readonly')); END $do$;
