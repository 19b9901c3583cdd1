"""A witness inside Postgres: whenever an offset of the ledger does not go forward, it writes that down.

What two routers apply twice mostly leaves no other trace, as old scores change nothing in the lifecycle: the ledger
would be right by luck.
"""

from __future__ import annotations

import asyncpg

WITNESS = """
CREATE TABLE moved_back (topic text, partition int, before bigint, after bigint);
CREATE FUNCTION note_moved_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO moved_back VALUES (OLD.topic, OLD.partition, OLD.next_offset, NEW.next_offset);
    RETURN NULL;
END $$;
CREATE TRIGGER moved_back AFTER UPDATE ON offsets FOR EACH ROW WHEN (NEW.next_offset <= OLD.next_offset)
    EXECUTE FUNCTION note_moved_back();
"""


async def watch_offsets(database_url: str) -> None:
    """Set up the witness in a database that has the ledger's tables."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", "", 1))
    try:
        await connection.execute(WITNESS)
    finally:
        await connection.close()
