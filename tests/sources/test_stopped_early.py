"""A stream that is told to end before it has begun ends all the same."""

import threading
from pathlib import Path

from landbridge.sources.broker import DemoBroker
from landbridge.sources.run import pull
from made_source import OPERATOR, declared, folder_of, opened


def test_a_stream_that_is_stopped_before_it_begins_ends(tmp_path: Path, mosquitto: DemoBroker) -> None:
    folder = folder_of(tmp_path, "stream", "", kind="mqtt", address=mosquitto.address, topics=["early/#"], location="")
    toml = (folder / "source.toml").read_text()
    (folder / "source.toml").write_text(toml.replace('location = ""\n', ""))
    stop, pool = threading.Event(), opened(tmp_path)
    stop.set()
    assert pull(pool, OPERATOR, declared(folder), stop=stop).state == "done"
    pool.close()
