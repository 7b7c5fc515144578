"""What a killed backfill left in the store is taken away by whoever opens the city next, unless it still goes on."""

from pathlib import Path

from landbridge.app.city import open_city
from landbridge.store import manifest
from landbridge.store.sqlite import SqliteStore


def begun(store: SqliteStore) -> None:
    """Leave what a backfill leaves that is killed: its mark, a source row, and hashes."""
    store.tend(lambda transaction: manifest.begin(transaction, "air", 1, 0))
    store.tend(lambda transaction: transaction.add_raw("air", 1, 0, 0, b"row"))
    store.tend(lambda transaction: transaction.save_seen("air", 0, b"hash"))


def left(store: SqliteStore) -> list[int]:
    with store.reader() as connection:
        counts = [int(connection.execute(f"SELECT count(*) FROM {table}").get) for table in ("raw", "seen")]
        return [*counts, len(manifest.sources_under_way(connection))]


def test_what_is_left_goes_unless_it_is_going_on(tmp_path: Path) -> None:
    (tmp_path / "landbridge.toml").write_text('name = "Here"\n')
    with open_city(tmp_path) as city:
        begun(city.pool.store)
        with city.alone("air"), open_city(tmp_path) as other:
            assert left(other.pool.store) == [1, 1, 1]
    with open_city(tmp_path) as city:
        assert left(city.pool.store) == [0, 0, 0]
