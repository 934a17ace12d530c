-- SPDX-License-Identifier: MIT
-- Tables of schema 17 for MySQL and MariaDB. {fid} and {name COLUMN N} are filled in by the program.

-- table domain
CREATE TABLE domain (
    dmid SMALLINT UNSIGNED NOT NULL PRIMARY KEY,
    namespace {name namespace 255},
    UNIQUE namespace (namespace)
) ENGINE=InnoDB;

-- table class
CREATE TABLE class (
    dmid SMALLINT UNSIGNED NOT NULL,
    classid TINYINT UNSIGNED NOT NULL,
    classname {name classname 50},
    mindevcount TINYINT UNSIGNED NOT NULL,
    hashtype TINYINT UNSIGNED,
    replpolicy VARCHAR(255),
    PRIMARY KEY (dmid, classid),
    UNIQUE dmid (dmid, classname)
) ENGINE=InnoDB;

-- table file
CREATE TABLE file (
    fid {fid} UNSIGNED NOT NULL PRIMARY KEY,
    dmid SMALLINT UNSIGNED NOT NULL,
    dkey {name dkey 255},
    length BIGINT UNSIGNED,
    classid TINYINT UNSIGNED NOT NULL,
    devcount TINYINT UNSIGNED NOT NULL,
    UNIQUE dkey (dmid, dkey),
    INDEX devcount (dmid, classid, devcount)
) ENGINE=InnoDB;

-- table tempfile
CREATE TABLE tempfile (
    fid {fid} UNSIGNED NOT NULL PRIMARY KEY AUTO_INCREMENT,
    createtime INT UNSIGNED NOT NULL,
    classid TINYINT UNSIGNED NOT NULL,
    dmid SMALLINT UNSIGNED NOT NULL,
    dkey {name dkey 255},
    devids VARCHAR(60)
) ENGINE=InnoDB;

-- table file_to_delete
CREATE TABLE file_to_delete (
    fid {fid} UNSIGNED NOT NULL PRIMARY KEY
) ENGINE=InnoDB;

-- table unreachable_fids
CREATE TABLE unreachable_fids (
    fid {fid} UNSIGNED NOT NULL PRIMARY KEY,
    lastupdate INT UNSIGNED NOT NULL,
    INDEX lastupdate (lastupdate)
) ENGINE=InnoDB;

-- table file_on
CREATE TABLE file_on (
    fid {fid} UNSIGNED NOT NULL,
    devid MEDIUMINT UNSIGNED NOT NULL,
    PRIMARY KEY (fid, devid),
    INDEX devid (devid)
) ENGINE=InnoDB;

-- table file_on_corrupt
CREATE TABLE file_on_corrupt (
    fid {fid} UNSIGNED NOT NULL,
    devid MEDIUMINT UNSIGNED NOT NULL,
    PRIMARY KEY (fid, devid)
) ENGINE=InnoDB;

-- table host
CREATE TABLE host (
    hostid MEDIUMINT UNSIGNED NOT NULL PRIMARY KEY,
    status ENUM('alive', 'dead', 'down', 'readonly'),
    http_port MEDIUMINT UNSIGNED DEFAULT 7500,
    http_get_port MEDIUMINT UNSIGNED,
    hostname VARCHAR(40),
    hostip VARCHAR(15),
    altip VARCHAR(15),
    altmask VARCHAR(18),
    UNIQUE hostname (hostname),
    UNIQUE hostip (hostip),
    UNIQUE altip (altip)
) ENGINE=InnoDB;

-- table device
CREATE TABLE device (
    devid MEDIUMINT UNSIGNED NOT NULL PRIMARY KEY,
    hostid MEDIUMINT UNSIGNED NOT NULL,
    status ENUM('alive', 'dead', 'down', 'readonly', 'drain'),
    weight MEDIUMINT DEFAULT 100,
    mb_total INT UNSIGNED,
    mb_used INT UNSIGNED,
    mb_asof INT UNSIGNED,
    INDEX status (status)
) ENGINE=InnoDB;

-- table server_settings
CREATE TABLE server_settings (
    field VARCHAR(50) NOT NULL PRIMARY KEY,
    value TEXT
) ENGINE=InnoDB;

-- table file_to_replicate
CREATE TABLE file_to_replicate (
    fid {fid} UNSIGNED NOT NULL PRIMARY KEY,
    nexttry INT UNSIGNED NOT NULL,
    fromdevid INT UNSIGNED,
    failcount TINYINT UNSIGNED NOT NULL DEFAULT 0,
    flags SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    INDEX nexttry (nexttry)
) ENGINE=InnoDB;

-- table file_to_delete_later
CREATE TABLE file_to_delete_later (
    fid {fid} UNSIGNED NOT NULL PRIMARY KEY,
    delafter INT UNSIGNED NOT NULL,
    INDEX delafter (delafter)
) ENGINE=InnoDB;

-- table fsck_log
CREATE TABLE fsck_log (
    logid INT UNSIGNED NOT NULL PRIMARY KEY AUTO_INCREMENT,
    utime INT UNSIGNED NOT NULL,
    fid {fid} UNSIGNED,
    evcode CHAR(4),
    devid MEDIUMINT UNSIGNED,
    INDEX utime (utime)
) ENGINE=InnoDB;

-- table file_to_queue
CREATE TABLE file_to_queue (
    fid {fid} UNSIGNED NOT NULL,
    devid INT UNSIGNED,
    type TINYINT UNSIGNED NOT NULL,
    nexttry INT UNSIGNED NOT NULL,
    failcount TINYINT UNSIGNED NOT NULL DEFAULT 0,
    flags SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    arg TEXT,
    PRIMARY KEY (fid, type),
    INDEX type_nexttry (type, nexttry)
) ENGINE=InnoDB;

-- table file_to_delete2
CREATE TABLE file_to_delete2 (
    fid {fid} UNSIGNED NOT NULL PRIMARY KEY,
    nexttry INT UNSIGNED NOT NULL,
    failcount TINYINT UNSIGNED NOT NULL DEFAULT 0,
    INDEX nexttry (nexttry)
) ENGINE=InnoDB;

-- table checksum
CREATE TABLE checksum (
    fid {fid} UNSIGNED NOT NULL PRIMARY KEY,
    hashtype TINYINT UNSIGNED NOT NULL,
    checksum VARBINARY(64) NOT NULL
) ENGINE=InnoDB;

-- row-locks lock
CREATE TABLE `lock` (
    lockid INT UNSIGNED NOT NULL PRIMARY KEY,
    hostname VARCHAR(255) NOT NULL,
    pid INT UNSIGNED NOT NULL,
    acquiredat INT UNSIGNED NOT NULL
) ENGINE=InnoDB;
