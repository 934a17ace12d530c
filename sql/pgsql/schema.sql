-- SPDX-License-Identifier: MIT
-- Tables of schema 17 for PostgreSQL. {fid} and {name COLUMN N} are filled in by the program.

-- table lock
CREATE TABLE lock (
    lockid INT NOT NULL PRIMARY KEY CHECK (lockid >= 0),
    hostname VARCHAR(255) NOT NULL,
    pid INT NOT NULL CHECK (pid >= 0),
    acquiredat INT NOT NULL CHECK (acquiredat >= 0)
);

-- table domain
CREATE TABLE domain (
    dmid SMALLINT NOT NULL PRIMARY KEY,
    namespace {name namespace 255},
    UNIQUE (namespace)
);

-- table class
CREATE TABLE class (
    dmid SMALLINT NOT NULL,
    classid SMALLINT NOT NULL,
    classname {name classname 50},
    mindevcount SMALLINT NOT NULL,
    hashtype SMALLINT,
    replpolicy VARCHAR(255),
    PRIMARY KEY (dmid, classid),
    UNIQUE (dmid, classname)
);

-- table file
CREATE TABLE file (
    fid {fid} NOT NULL PRIMARY KEY,
    dmid SMALLINT NOT NULL,
    dkey {name dkey 255},
    length BIGINT CHECK (length >= 0),
    classid SMALLINT NOT NULL,
    devcount SMALLINT NOT NULL,
    UNIQUE (dmid, dkey)
);

-- index file file_devcount
CREATE INDEX file_devcount ON file (dmid, classid, devcount);

-- table tempfile
CREATE TABLE tempfile (
    fid BIGSERIAL NOT NULL PRIMARY KEY,
    createtime INT NOT NULL,
    classid SMALLINT NOT NULL,
    dmid SMALLINT NOT NULL,
    dkey {name dkey 255},
    devids VARCHAR(60)
);

-- table file_to_delete
CREATE TABLE file_to_delete (
    fid {fid} NOT NULL PRIMARY KEY
);

-- table unreachable_fids
CREATE TABLE unreachable_fids (
    fid {fid} NOT NULL PRIMARY KEY,
    lastupdate INT NOT NULL
);

-- index unreachable_fids unreachable_fids_lastupdate
CREATE INDEX unreachable_fids_lastupdate ON unreachable_fids (lastupdate);

-- table file_on
CREATE TABLE file_on (
    fid {fid} NOT NULL,
    devid SMALLINT NOT NULL,
    PRIMARY KEY (fid, devid)
);

-- index file_on file_on_devid
CREATE INDEX file_on_devid ON file_on (devid);

-- table file_on_corrupt
CREATE TABLE file_on_corrupt (
    fid {fid} NOT NULL,
    devid SMALLINT NOT NULL,
    PRIMARY KEY (fid, devid)
);

-- table host
CREATE TABLE host (
    hostid SMALLINT NOT NULL PRIMARY KEY CHECK (hostid >= 0),
    status VARCHAR(8) CHECK (status IN ('alive', 'dead', 'down', 'readonly')),
    http_port INT DEFAULT 7500 CHECK (http_port >= 0 AND http_port < 65536),
    http_get_port INT CHECK (http_get_port >= 0 AND http_get_port < 65536),
    hostname VARCHAR(40),
    hostip VARCHAR(15),
    altip VARCHAR(15),
    altmask VARCHAR(18),
    UNIQUE (hostname),
    UNIQUE (hostip),
    UNIQUE (altip)
);

-- table device
CREATE TABLE device (
    devid SMALLINT NOT NULL PRIMARY KEY,
    hostid SMALLINT NOT NULL,
    status VARCHAR(8) CHECK (status IN ('alive', 'dead', 'down', 'readonly', 'drain')),
    weight INT DEFAULT 100,
    mb_total INT CHECK (mb_total >= 0),
    mb_used INT CHECK (mb_used >= 0),
    mb_asof INT CHECK (mb_asof >= 0)
);

-- index device device_status
CREATE INDEX device_status ON device (status);

-- table server_settings
CREATE TABLE server_settings (
    field VARCHAR(50) NOT NULL PRIMARY KEY,
    value TEXT
);

-- table file_to_replicate
CREATE TABLE file_to_replicate (
    fid {fid} NOT NULL PRIMARY KEY,
    nexttry INT NOT NULL,
    fromdevid INT,
    failcount SMALLINT NOT NULL DEFAULT 0,
    flags SMALLINT NOT NULL DEFAULT 0
);

-- index file_to_replicate file_to_replicate_nexttry
CREATE INDEX file_to_replicate_nexttry ON file_to_replicate (nexttry);

-- table file_to_delete_later
CREATE TABLE file_to_delete_later (
    fid {fid} NOT NULL PRIMARY KEY,
    delafter INT NOT NULL
);

-- index file_to_delete_later file_to_delete_later_delafter
CREATE INDEX file_to_delete_later_delafter ON file_to_delete_later (delafter);

-- table fsck_log
CREATE TABLE fsck_log (
    logid SERIAL NOT NULL PRIMARY KEY,
    utime INT NOT NULL,
    fid {fid},
    evcode CHAR(4),
    devid SMALLINT
);

-- index fsck_log fsck_log_utime
CREATE INDEX fsck_log_utime ON fsck_log (utime);

-- table file_to_queue
CREATE TABLE file_to_queue (
    fid {fid} NOT NULL,
    devid INT,
    type SMALLINT NOT NULL,
    nexttry INT NOT NULL,
    failcount SMALLINT NOT NULL DEFAULT 0,
    flags SMALLINT NOT NULL DEFAULT 0,
    arg TEXT,
    PRIMARY KEY (fid, type)
);

-- index file_to_queue type_nexttry
CREATE INDEX type_nexttry ON file_to_queue (type, nexttry);

-- table file_to_delete2
CREATE TABLE file_to_delete2 (
    fid {fid} NOT NULL PRIMARY KEY,
    nexttry INT NOT NULL,
    failcount SMALLINT NOT NULL DEFAULT 0
);

-- index file_to_delete2 file_to_delete2_nexttry
CREATE INDEX file_to_delete2_nexttry ON file_to_delete2 (nexttry);

-- table checksum
CREATE TABLE checksum (
    fid {fid} NOT NULL PRIMARY KEY,
    hashtype SMALLINT NOT NULL,
    checksum BYTEA NOT NULL
);
