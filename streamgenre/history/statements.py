"""The SQL that writes rows: writing a row twice changes nothing, or only what has grown of it."""

ADD_SHARE = """
    INSERT INTO shares (kind, hour, station, q0, q1, q2, q3) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (kind, hour, station) DO UPDATE SET
        q0 = shares.q0 + excluded.q0, q1 = shares.q1 + excluded.q1,
        q2 = shares.q2 + excluded.q2, q3 = shares.q3 + excluded.q3
"""
ADD_SEGMENT = """
    INSERT INTO segments (session, station, stream_start, kind, start_time, end_time, probability,
        updates, ending) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (session, stream_start) DO UPDATE SET
        kind = excluded.kind, start_time = excluded.start_time, end_time = excluded.end_time,
        probability = excluded.probability, updates = excluded.updates, ending = excluded.ending
"""
CHANGE_SESSION = """
    UPDATE sessions SET end_time = ?, start_time = ?, ending = ?, input = ?, model = ?,
        model_sha256 = ? WHERE id = ?
"""
ADD_SESSION = """
    INSERT INTO sessions (end_time, start_time, ending, input, model, model_sha256, uid, station,
        run) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (uid, station)
    DO UPDATE SET end_time = excluded.end_time, ending = excluded.ending, run = excluded.run
    WHERE excluded.end_time >= sessions.end_time
"""
ADD_GAP = """
    INSERT INTO gaps (session, station, seq, start_time, end_time, samples, reason)
    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (session, seq) DO NOTHING
"""
ADD_SOURCE_CHANGE = """
    INSERT INTO source_changes (session, station, seq, time, state, input, detail)
    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (session, seq) DO NOTHING
"""
ADD_TITLE = """
    INSERT INTO titles (session, station, seq, track, start_time, end_time, ending)
    VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (session, seq) DO UPDATE SET end_time = excluded.end_time, ending = excluded.ending
"""
ADD_DEAD_AIR = """
    INSERT INTO dead_air (session, station, start_time, end_time, ending) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (session, start_time)
    DO UPDATE SET end_time = excluded.end_time, ending = excluded.ending
"""
ADD_DETAIL = """
    INSERT INTO details (minute, station, session, labels, updates, data) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (minute, station, session)
    DO UPDATE SET labels = excluded.labels, updates = excluded.updates, data = excluded.data
"""
