-- SPDX-License-Identifier: MIT
-- Tables of schema 17 for SQLite. {fid} and {name COLUMN N} are filled in by the program.

-- table lock
CREATE TABLE lock (
    lockid INT UNSIGNED NOT NULL PRIMARY KEY,
    hostname VARCHAR(255) NOT NULL,
    pid INT UNSIGNED NOT NULL,
    acquiredat INT UNSIGNED NOT NULL
);

-- table domain
CREATE TABLE domain (
    dmid SMALLINT UNSIGNED NOT NULL PRIMARY KEY,
    namespace {name namespace 255},
    UNIQUE (namespace)
);

-- table class
CREATE TABLE class (
    dmid SMALLINT UNSIGNED NOT NULL,
    classid TINYINT UNSIGNED NOT NULL,
    classname {name classname 50},
    mindevcount TINYINT UNSIGNED NOT NULL,
    hashtype TINYINT UNSIGNED,
    replpolicy VARCHAR(255),
    UNIQUE (dmid, classid),
    UNIQUE (dmid, classname)
);

-- table file
CREATE TABLE file (
    fid {fid} UNSIGNED NOT NULL PRIMARY KEY,
    dmid SMALLINT UNSIGNED NOT NULL,
    dkey {name dkey 255},
    length INT UNSIGNED,
    classid TINYINT UNSIGNED NOT NULL,
    devcount TINYINT UNSIGNED NOT NULL,
    UNIQUE (dmid, dkey)
);

-- table tempfile
CREATE TABLE tempfile (
    fid INTEGER PRIMARY KEY AUTOINCREMENT,
    createtime INT UNSIGNED NOT NULL,
    classid TINYINT UNSIGNED NOT NULL,
    dmid SMALLINT UNSIGNED NOT NULL,
    dkey {name dkey 255},
    devids VARCHAR(60)
);

-- table file_to_delete
CREATE TABLE file_to_delete (
    fid {fid} UNSIGNED NOT NULL PRIMARY KEY
);

-- table unreachable_fids
CREATE TABLE unreachable_fids (
    fid {fid} UNSIGNED NOT NULL PRIMARY KEY,
    lastupdate INT UNSIGNED NOT NULL
);

-- index unreachable_fids lastupdate
CREATE INDEX lastupdate ON unreachable_fids (lastupdate);

-- table file_on
CREATE TABLE file_on (
    fid {fid} UNSIGNED NOT NULL,
    devid MEDIUMINT UNSIGNED NOT NULL,
    PRIMARY KEY (fid, devid)
);

-- index file_on devid
CREATE INDEX devid ON file_on (devid);

-- table file_on_corrupt
CREATE TABLE file_on_corrupt (
    fid {fid} UNSIGNED NOT NULL,
    devid MEDIUMINT UNSIGNED NOT NULL,
    PRIMARY KEY (fid, devid)
);

-- table host
CREATE TABLE host (
    hostid MEDIUMINT UNSIGNED NOT NULL PRIMARY KEY,
    status TEXT,
    http_port MEDIUMINT UNSIGNED DEFAULT 7500,
    http_get_port MEDIUMINT UNSIGNED,
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
    devid MEDIUMINT UNSIGNED NOT NULL PRIMARY KEY,
    hostid MEDIUMINT UNSIGNED NOT NULL,
    status TEXT,
    weight MEDIUMINT DEFAULT 100,
    mb_total INT UNSIGNED,
    mb_used INT UNSIGNED,
    mb_asof INT UNSIGNED
);

-- index device status
CREATE INDEX status ON device (status);

-- table server_settings
CREATE TABLE server_settings (
    field VARCHAR(50) PRIMARY KEY,
    value TEXT
);

-- table file_to_replicate
CREATE TABLE file_to_replicate (
    fid {fid} UNSIGNED NOT NULL PRIMARY KEY,
    nexttry INT UNSIGNED NOT NULL,
    fromdevid INT UNSIGNED,
    failcount TINYINT UNSIGNED NOT NULL DEFAULT 0,
    flags SMALLINT UNSIGNED NOT NULL DEFAULT 0
);

-- index file_to_replicate nexttry
CREATE INDEX nexttry ON file_to_replicate (nexttry);

-- table file_to_delete_later
CREATE TABLE file_to_delete_later (
    fid {fid} UNSIGNED NOT NULL PRIMARY KEY,
    delafter INT UNSIGNED NOT NULL
);

-- index file_to_delete_later delafter
CREATE INDEX delafter ON file_to_delete_later (delafter);

-- table fsck_log
CREATE TABLE fsck_log (
    logid INTEGER PRIMARY KEY AUTOINCREMENT,
    utime INT UNSIGNED NOT NULL,
    fid {fid} UNSIGNED,
    evcode CHAR(4),
    devid MEDIUMINT UNSIGNED
);

-- index fsck_log utime
CREATE INDEX utime ON fsck_log (utime);

-- table file_to_queue
CREATE TABLE file_to_queue (
    fid {fid} UNSIGNED NOT NULL,
    devid INT UNSIGNED,
    type TINYINT UNSIGNED NOT NULL,
    nexttry INT UNSIGNED NOT NULL,
    failcount TINYINT UNSIGNED NOT NULL DEFAULT 0,
    flags SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    arg TEXT,
    PRIMARY KEY (fid, type)
);

-- index file_to_queue type_nexttry
CREATE INDEX type_nexttry ON file_to_queue (type, nexttry);

-- table file_to_delete2
CREATE TABLE file_to_delete2 (
    fid {fid} UNSIGNED NOT NULL PRIMARY KEY,
    nexttry INT UNSIGNED NOT NULL,
    failcount TINYINT UNSIGNED NOT NULL DEFAULT 0
);

-- index file_to_delete2 file_to_delete2_nexttry
CREATE INDEX file_to_delete2_nexttry ON file_to_delete2 (nexttry);

-- table checksum
CREATE TABLE checksum (
    fid {fid} UNSIGNED NOT NULL PRIMARY KEY,
    hashtype TINYINT UNSIGNED NOT NULL,
    checksum VARBINARY(64) NOT NULL
);
