-- A history of version 6 as that version wrote it. Not to be changed: it is what users have.
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA application_id = 1936156787;
BEGIN TRANSACTION;
CREATE TABLE corrections (
        segment INTEGER PRIMARY KEY REFERENCES segments, kind INTEGER NOT NULL REFERENCES kinds,
        made REAL NOT NULL);
CREATE TABLE day_shares (
        kind INTEGER NOT NULL, day INTEGER NOT NULL, station INTEGER NOT NULL,
        h0 INTEGER NOT NULL, h1 INTEGER NOT NULL, h2 INTEGER NOT NULL, h3 INTEGER NOT NULL, h4 INTEGER NOT NULL, h5 INTEGER NOT NULL, h6 INTEGER NOT NULL, h7 INTEGER NOT NULL, h8 INTEGER NOT NULL, h9 INTEGER NOT NULL, h10 INTEGER NOT NULL, h11 INTEGER NOT NULL, h12 INTEGER NOT NULL, h13 INTEGER NOT NULL, h14 INTEGER NOT NULL, h15 INTEGER NOT NULL, h16 INTEGER NOT NULL, h17 INTEGER NOT NULL, h18 INTEGER NOT NULL, h19 INTEGER NOT NULL, h20 INTEGER NOT NULL, h21 INTEGER NOT NULL, h22 INTEGER NOT NULL, h23 INTEGER NOT NULL,
        PRIMARY KEY (kind, day, station)) WITHOUT ROWID;
INSERT INTO "day_shares" VALUES(1,20635,1,1000000,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0);
INSERT INTO "day_shares" VALUES(1,20635,2,0,199500,3600000,200250,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0);
INSERT INTO "day_shares" VALUES(2,20635,1,1000000,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0);
INSERT INTO "day_shares" VALUES(3,20635,1,700000,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0);
CREATE TABLE dead_air (
        id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES sessions,
        station INTEGER NOT NULL REFERENCES stations, start_time REAL NOT NULL,
        end_time REAL NOT NULL, ending TEXT NOT NULL, UNIQUE (session, start_time));
INSERT INTO "dead_air" VALUES(1,1,1,1782865000.0,1782865700.0,'closed');
CREATE TABLE details (
        minute INTEGER NOT NULL, station INTEGER NOT NULL, session INTEGER NOT NULL,
        labels INTEGER NOT NULL, updates INTEGER NOT NULL, data BLOB NOT NULL,
        PRIMARY KEY (minute, station, session)) WITHOUT ROWID;
INSERT INTO "details" VALUES(29714400,1,1,1,2,X'789C636078C17CC2E2CCA933A78CCD001FE30581');
CREATE TABLE gaps (
        id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES sessions,
        station INTEGER NOT NULL REFERENCES stations, seq INTEGER, start_time REAL NOT NULL,
        end_time REAL NOT NULL, samples INTEGER, reason TEXT NOT NULL, UNIQUE (session, seq));
INSERT INTO "gaps" VALUES(1,1,1,0,1782865700.0,1782865701.0,44100,'reconnect');
CREATE TABLE kinds (
        id INTEGER PRIMARY KEY, state TEXT NOT NULL, genre TEXT NOT NULL, UNIQUE (state, genre));
INSERT INTO "kinds" VALUES(1,'music','jazz');
INSERT INTO "kinds" VALUES(2,'music','rock');
INSERT INTO "kinds" VALUES(3,'silence','');
CREATE TABLE labels (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE);
INSERT INTO "labels" VALUES(1,'["jazz", "rock"]');
CREATE TABLE runs (
        id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, started REAL NOT NULL,
        ending TEXT NOT NULL DEFAULT 'open');
INSERT INTO "runs" VALUES(1,'aaaabbbbcccc',1782864000.0,'closed');
INSERT INTO "runs" VALUES(2,'ddddeeeeffff',1782871000.0,'open');
CREATE TABLE segments (
        id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES sessions,
        station INTEGER NOT NULL REFERENCES stations, kind INTEGER NOT NULL REFERENCES kinds,
        start_time REAL NOT NULL, end_time REAL NOT NULL, stream_start REAL NOT NULL,
        probability REAL, updates INTEGER NOT NULL, ending TEXT NOT NULL,
        UNIQUE (session, stream_start));
INSERT INTO "segments" VALUES(1,1,1,1,1782864000.0,1782865000.0,0.0,0.8,1000,'closed');
INSERT INTO "segments" VALUES(2,1,1,3,1782865000.0,1782865700.0,1000.0,NULL,700,'closed');
INSERT INTO "segments" VALUES(3,1,1,2,1782865700.0,1782866700.0,1700.0,0.5,1000,'closed');
INSERT INTO "segments" VALUES(4,2,2,1,1782871000.5,1782875000.25,0.5,0.61,4000,'open');
CREATE TABLE sessions (
        id INTEGER PRIMARY KEY, uid TEXT NOT NULL, station INTEGER NOT NULL REFERENCES stations,
        run INTEGER NOT NULL REFERENCES runs, start_time REAL NOT NULL, end_time REAL NOT NULL,
        ending TEXT NOT NULL, input TEXT, model TEXT, model_sha256 TEXT, UNIQUE (uid, station));
INSERT INTO "sessions" VALUES(1,'u1',1,1,1782864000.0,1782866700.0,'closed','hw:1','lstm','0000000000000000000000000000000000000000000000000000000000000000');
INSERT INTO "sessions" VALUES(2,'u2',2,2,1782871000.0,1782875000.0,'open',NULL,NULL,NULL);
CREATE TABLE shares (
        kind INTEGER NOT NULL, hour INTEGER NOT NULL, station INTEGER NOT NULL,
        q0 INTEGER NOT NULL, q1 INTEGER NOT NULL, q2 INTEGER NOT NULL, q3 INTEGER NOT NULL,
        PRIMARY KEY (kind, hour, station)) WITHOUT ROWID;
INSERT INTO "shares" VALUES(1,495240,1,900000,100000,0,0);
INSERT INTO "shares" VALUES(1,495241,2,0,0,0,199500);
INSERT INTO "shares" VALUES(1,495242,2,900000,900000,900000,900000);
INSERT INTO "shares" VALUES(1,495243,2,200250,0,0,0);
INSERT INTO "shares" VALUES(2,495240,1,0,100000,900000,0);
INSERT INTO "shares" VALUES(3,495240,1,0,700000,0,0);
CREATE TABLE source_changes (
        id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES sessions,
        station INTEGER NOT NULL REFERENCES stations, seq INTEGER NOT NULL, time REAL NOT NULL,
        state TEXT NOT NULL, input TEXT NOT NULL, detail TEXT NOT NULL, UNIQUE (session, seq));
INSERT INTO "source_changes" VALUES(1,1,1,0,1782864000.0,'live','hw:1','');
CREATE TABLE stations (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, longest_s REAL NOT NULL DEFAULT 0);
INSERT INTO "stations" VALUES(1,'kitchen',1100.0);
INSERT INTO "stations" VALUES(2,'Radio ''Nord''',4000.0);
CREATE TABLE tag_days (
        tag INTEGER NOT NULL, day INTEGER NOT NULL, station INTEGER NOT NULL, ms INTEGER NOT NULL,
        PRIMARY KEY (tag, day, station)) WITHOUT ROWID;
INSERT INTO "tag_days" VALUES(1,20635,1,500000);
CREATE TABLE tags (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
INSERT INTO "tags" VALUES(1,'electronic');
CREATE TABLE titles (
        id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES sessions,
        station INTEGER NOT NULL REFERENCES stations, seq INTEGER NOT NULL,
        track INTEGER NOT NULL REFERENCES tracks, start_time REAL NOT NULL, end_time REAL NOT NULL,
        ending TEXT NOT NULL, UNIQUE (session, seq));
INSERT INTO "titles" VALUES(1,1,1,0,1,1782864000.0,1782864200.0,'closed');
INSERT INTO "titles" VALUES(2,2,2,0,1,1782871100.0,1782875000.0,'open');
CREATE TABLE tracks (
        id INTEGER PRIMARY KEY, artist TEXT NOT NULL, title TEXT NOT NULL, folded TEXT NOT NULL,
        UNIQUE (artist, title));
INSERT INTO "tracks" VALUES(1,'Beyoncé Doe','Halo of Tin','beyonce doe halo of tin');
CREATE INDEX sessions_by_run ON sessions (run);
CREATE INDEX segments_by_time ON segments (station, start_time, end_time);
CREATE INDEX gaps_by_time ON gaps (station, start_time);
CREATE INDEX source_changes_by_time ON source_changes (station, time);
CREATE INDEX titles_by_time ON titles (station, start_time, end_time);
CREATE INDEX titles_by_track ON titles (track, start_time);
CREATE INDEX dead_air_by_time ON dead_air (station, start_time);
CREATE INDEX segments_open ON segments (session) WHERE ending = 'open';
COMMIT;
PRAGMA user_version = 6;
