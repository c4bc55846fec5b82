-- A history of version 1 as that version wrote it. Not to be changed: it is what users have.
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA application_id = 1936156787;
BEGIN TRANSACTION;
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
CREATE TABLE source_changes (
        id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES sessions,
        station INTEGER NOT NULL REFERENCES stations, seq INTEGER NOT NULL, time REAL NOT NULL,
        state TEXT NOT NULL, input TEXT NOT NULL, detail TEXT NOT NULL, UNIQUE (session, seq));
INSERT INTO "source_changes" VALUES(1,1,1,0,1782864000.0,'live','hw:1','');
CREATE TABLE stations (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, longest_s REAL NOT NULL DEFAULT 0);
INSERT INTO "stations" VALUES(1,'kitchen',1100.0);
INSERT INTO "stations" VALUES(2,'Radio ''Nord''',4000.0);
CREATE INDEX sessions_by_run ON sessions (run);
CREATE INDEX segments_by_time ON segments (station, start_time, end_time);
CREATE INDEX gaps_by_time ON gaps (station, start_time);
CREATE INDEX source_changes_by_time ON source_changes (station, time);
COMMIT;
PRAGMA user_version = 1;
