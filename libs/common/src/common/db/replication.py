"""What a primary and its streaming replica say of themselves."""

from typing import Final

STATE: Final = """
    SELECT pg_is_in_recovery() AS in_recovery,
        (SELECT system_identifier FROM pg_control_system()) AS system,
        CASE WHEN pg_is_in_recovery() THEN (
            SELECT greatest(checked.timeline_id, recovered.min_recovery_end_timeline)
            FROM pg_control_checkpoint() AS checked, pg_control_recovery() AS recovered
        ) ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END AS timeline,
        coalesce(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END - '0/0', 0)
            ::int8 AS position
"""
"""Whether it follows another server, the identity that a copy shares with its original, its timeline, and how many
bytes of the log are written or, on a replica, replayed. Any role may ask; a replica tells a new timeline minutes late.
"""
