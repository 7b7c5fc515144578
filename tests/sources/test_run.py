"""The loop: what a pull leaves in the pool, what it leaves alone, and what it says when something is wrong."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from landbridge.errors import InvalidSettings, Refused, Unreachable
from landbridge.governance.policy import Actor, Role
from landbridge.history.lake import Lake
from landbridge.model.answer import RunRecord
from landbridge.pool.pool import Pool
from landbridge.sources import run
from landbridge.sources.contract import Declaration
from landbridge.sources.gather import Progress
from landbridge.sources.run import Terms, pull
from made_source import MAPPING, OPERATOR, Steps, declared, folder_of, history, opened, sizes, things

DAY = "2024-03-30T00:00:00Z"
QUICK = Terms(retries=2, retry_seconds=0.0)


@pytest.fixture
def pool(tmp_path: Path) -> Any:
    made = opened(tmp_path)
    yield made
    made.close()


def pulled(pool: Pool, folder: Path, **terms: Any) -> RunRecord:
    return pull(pool, OPERATOR, declared(folder), Terms(retries=0, **terms))


def stepped(pool: Pool, folder: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch, **more: Any) -> RunRecord:
    """Pull a source whose kind is `steps`."""
    monkeypatch.setattr(run, "find_kind", lambda kind: lambda declaration: steps)
    return pull(pool, OPERATOR, declared(folder), more.pop("terms", QUICK), **more)


def test_a_file_becomes_entities_with_every_value_traceable(tmp_path: Path, pool: Pool) -> None:
    record = pulled(pool, folder_of(tmp_path, "things", things(f"a,1,{DAY}", f"b,2.5,{DAY}")))
    assert (record.state, record.rows, record.mapped, record.entities) == ("done", 2, 2, 2)
    assert sizes(pool) == {"a": 1.0, "b": 2.5}
    (trace,) = pool.explain(OPERATOR, "urn:ngsi-ld:Thing:b", "size")
    assert (trace.owner, trace.run, trace.place) == ("things", 1, "things.csv line 3")
    assert trace.raw == {"code": "b", "size": "2.5", "at": DAY}


def test_of_several_mappings_that_read_a_row_the_one_that_made_the_value_is_named(tmp_path: Path, pool: Pool) -> None:
    """Whether they differ in the attribute, in the entity's type, or in its id alone; also at the thousandth row."""
    folder = folder_of(tmp_path, "things", things(*(f"t{n},{n},{DAY}" for n in range(2_000))))
    (folder / "mapping.sql").unlink()
    texts = {
        "about": "'urn:ngsi-ld:Thing:' || code as id, 'Thing' as type, code as label",
        "sized": "'urn:ngsi-ld:Thing:' || code as id, 'Thing' as type, cast(size as double) as size",
        "boxed": "'urn:ngsi-ld:Box:' || code as id, 'Box' as type, cast(size as double) as size",
        "twins": "'urn:ngsi-ld:Thing:twin-' || code as id, 'Thing' as type, cast(size as double) as size",
    }
    (folder / "mapping").mkdir()
    for name, text in texts.items():
        (folder / "mapping" / f"{name}.sql").write_text(f"select {text} from source")
    assert pulled(pool, folder).state == "done"

    def mapped_by(id_: str, attribute: str) -> str | None:
        (trace,) = pool.explain(OPERATOR, id_, attribute)
        assert (trace.place, trace.raw) == ("things.csv line 1002", {"code": "t1000", "size": "1000", "at": DAY})
        return trace.mapping

    assert mapped_by("urn:ngsi-ld:Thing:t1000", "label") == "things/mapping/about.sql"
    assert mapped_by("urn:ngsi-ld:Thing:t1000", "size") == "things/mapping/sized.sql"
    assert mapped_by("urn:ngsi-ld:Box:t1000", "size") == "things/mapping/boxed.sql"
    assert mapped_by("urn:ngsi-ld:Thing:twin-t1000", "size") == "things/mapping/twins.sql"


def test_a_second_pull_changes_nothing_not_even_when_the_file_is_touched(tmp_path: Path, pool: Pool) -> None:
    folder = folder_of(tmp_path, "things", things(f"a,1,{DAY}"))
    pulled(pool, folder)
    assert pulled(pool, folder).state == "unchanged"
    os.utime(folder / "things.csv", (1, 1))
    assert pulled(pool, folder).state == "unchanged"
    os.utime(folder / "things.csv", (2, 2))
    again = pulled(pool, folder, again=True)
    assert (again.state, again.unchanged, again.instances) == ("done", 1, 0)
    assert history(pool, "a") == [1.0]


def test_what_changed_in_a_file_is_written_and_nothing_else(tmp_path: Path, pool: Pool) -> None:
    folder = folder_of(tmp_path, "things", things(f"a,1,{DAY}", f"b,2,{DAY}"))
    pulled(pool, folder)
    (folder / "things.csv").write_text(things(f"a,1,{DAY}", f"b,3,{DAY}", f"c,4,{DAY}"))
    record = pulled(pool, folder)
    assert (record.state, record.unchanged, record.entities, record.instances) == ("done", 1, 1, 2)
    assert sizes(pool) == {"a": 1.0, "b": 3.0, "c": 4.0}


def test_a_mended_mapping_maps_the_same_file_again(tmp_path: Path, pool: Pool) -> None:
    folder = folder_of(tmp_path, "things", things(f"a,1,{DAY}"))
    pulled(pool, folder)
    (folder / "mapping.sql").write_text(MAPPING.replace("cast(size as double)", "cast(size as double) * 10"))
    assert pulled(pool, folder).state == "done"
    assert sizes(pool) == {"a": 10.0}


def test_a_changed_reference_table_maps_the_same_file_again(tmp_path: Path, pool: Pool) -> None:
    mapping = (
        "select 'urn:ngsi-ld:Thing:' || n.name as id, 'Thing' as type, cast(r.size as double) as size"
        " from source r join names n on n.code = r.code"
    )
    folder = folder_of(tmp_path, "things", things(f"a,1,{DAY}"), mapping, tables={"names": "names.csv"})
    (folder / "names.csv").write_text("code,name\na,first\n")
    pulled(pool, folder)
    (folder / "names.csv").write_text("code,name\na,second\n")
    assert pulled(pool, folder).state == "done"
    assert set(sizes(pool)) == {"first", "second"}


def test_rejects_are_kept_with_place_and_content_and_replaced_by_the_next_good_pull(tmp_path: Path, pool: Pool) -> None:
    folder = folder_of(tmp_path, "things", things(f"a,1,{DAY}", f"b,much,{DAY}"), never_store=["at"])
    record = pulled(pool, folder)
    assert (record.state, record.rejected) == ("done", 1)
    (group,) = pool.rejects(OPERATOR, "things")
    assert (group.source, group.count) == ("things", 1)
    assert "much" in group.reason
    assert group.examples[0]["place"] == "things.csv line 3"
    assert group.examples[0]["row"] == {"code": "b", "size": "much"}
    (folder / "things.csv").write_text(things(f"a,1,{DAY}", f"b,2,{DAY}"))
    pulled(pool, folder)
    assert not pool.rejects(OPERATOR, "things")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (things(), "yields nothing"),
        (things(f"a,x,{DAY}", f"b,y,{DAY}"), "2 of 2 rows are rejected"),
        ("code,weight,at\na,1,2024-03-30\n", 'no column "size"'),
        ("", "The file is empty"),
    ],
    ids=["nothing", "rejects", "column gone", "empty"],
)
def test_a_pull_that_is_no_good_leaves_what_was_there(tmp_path: Path, pool: Pool, rows: str, reason: str) -> None:
    folder = folder_of(tmp_path, "things", things(f"a,1,{DAY}", f"b,2,{DAY}"))
    pulled(pool, folder)
    (folder / "things.csv").write_text(rows)
    record = pulled(pool, folder)
    assert record.state == "failed"
    assert reason in (record.reason or "")
    assert sizes(pool) == {"a": 1.0, "b": 2.0}
    (folder / "things.csv").write_text(things(f"a,1,{DAY}", f"b,3,{DAY}"))
    assert pulled(pool, folder).state == "done"
    assert sizes(pool) == {"a": 1.0, "b": 3.0}


def test_a_failed_pull_shows_what_it_rejected(tmp_path: Path, pool: Pool) -> None:
    pulled(pool, folder_of(tmp_path, "things", things(f"a,x,{DAY}")))
    (group,) = pool.rejects(OPERATOR, "things")
    assert group.examples[0]["row"]["size"] == "x"


def test_an_expectation_that_must_hold_fails_the_run(tmp_path: Path, pool: Pool) -> None:
    folder = folder_of(tmp_path, "things", things(f"a,1,{DAY}", f"b,-2,{DAY}"))
    with (folder / "source.toml").open("a") as file:
        file.write('[[expectations]]\nname = "sizes"\nkind = "range"\ncolumn = "size"\nmin = 0\nmust = true\n')
    record = pulled(pool, folder)
    assert record.state == "failed"
    assert "sizes" in (record.reason or "")
    assert record.expectations[0]["failed"] == 1
    assert sizes(pool) == {}


def test_an_expectation_that_need_not_hold_is_a_result_of_the_run(tmp_path: Path, pool: Pool) -> None:
    folder = folder_of(tmp_path, "things", things(f"a,1,{DAY}", f"b,-2,{DAY}"))
    with (folder / "source.toml").open("a") as file:
        file.write('[[expectations]]\nname = "sizes"\nkind = "range"\ncolumn = "size"\nmin = 0\nleave_out = true\n')
    record = pulled(pool, folder)
    assert (record.state, record.expectations[0]["failed"], record.rejected) == ("done", 1, 1)
    assert sizes(pool) == {"a": 1.0}


def test_two_rows_with_one_key_and_different_values_are_reported_and_the_later_wins(tmp_path: Path, pool: Pool) -> None:
    record = pulled(pool, folder_of(tmp_path, "things", things(f"a,1,{DAY}", f"a,2,{DAY}", f"a,2,{DAY}")))
    assert (record.conflicting, record.repeated) == (1, 1)
    assert any("things.csv line 3" in note for note in record.notes)
    assert sizes(pool) == {"a": 2.0}


def test_what_a_source_found_out_is_in_the_record(tmp_path: Path, pool: Pool) -> None:
    folder = folder_of(tmp_path, "things", "")
    (folder / "things.csv").write_bytes(things(f"滨海新区的名称,1,{DAY}", f"天津市河北区,2,{DAY}").encode("gb18030"))
    assert any("encoding" in note for note in pulled(pool, folder).notes)


def test_rows_that_are_gone_are_withdrawn_where_declared_even_after_a_kill_before_the_end(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"{code},1,{DAY}" for code in "abcd"]
    folder = folder_of(tmp_path, "things", things(*rows), gone="end")
    pulled(pool, folder)
    (folder / "things.csv").write_text(things(*rows[:3], f"e,5,{DAY}"))
    with monkeypatch.context() as patched:
        patched.setattr(run.Ingest, "finish", lambda self, **how: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            pulled(pool, folder)
    assert set(sizes(pool)) == {"a", "b", "c", "d", "e"}
    record = pulled(pool, folder)
    assert (record.state, record.gone) == ("done", 1)
    assert set(sizes(pool)) == {"a", "b", "c", "e"}


def test_editions_are_runs_of_their_own_in_the_order_of_their_dates(tmp_path: Path, pool: Pool) -> None:
    folder = folder_of(tmp_path, "things", "")
    (folder / "source.toml").write_text(
        'kind = "csv"\ngone = "end"\neditions = [{file = "new.csv", date = "2024-01-01"},'
        ' {file = "old.csv", date = "2023-01-01"}]\n'
    )
    (folder / "old.csv").write_text(things(f"a,1,{DAY}", f"b,1,{DAY}", f"c,1,{DAY}"))
    (folder / "new.csv").write_text(things(f"a,1,{DAY}", f"b,2,{DAY}"))
    assert pulled(pool, folder).gone == 1
    assert sizes(pool) == {"a": 1.0, "b": 2.0}
    assert [record.run for record in pool.runs(OPERATOR, "things")] == [2, 1]
    assert pulled(pool, folder).state == "unchanged"
    assert [record.run for record in pool.runs(OPERATOR, "things")] == [3, 2, 1]


def test_whoever_may_not_operate_does_not_pull(tmp_path: Path, pool: Pool) -> None:
    folder = folder_of(tmp_path, "things", things(f"a,1,{DAY}"))
    with pytest.raises(Refused):
        pull(pool, Actor("reader", Role.READER), declared(folder))


def test_a_source_that_becomes_another_kind_begins_anew(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path, "things", things(f"a,1,{DAY}"))
    pulled(pool, folder)
    folder_of(tmp_path, "things", "", kind="mqtt", address="mqtt://127.0.0.1", topics=["a"], location="")
    toml = (folder / "source.toml").read_text()
    (folder / "source.toml").write_text(toml.replace('location = ""\n', ""))
    steps = Steps([rows("b")], manner="stream")
    assert stepped(pool, folder, steps, monkeypatch).state == "done"
    assert steps.asked == [None]


def test_progress_is_told_to_the_end(tmp_path: Path, pool: Pool) -> None:
    told: list[Progress] = []
    folder = folder_of(tmp_path, "things", things(f"a,1,{DAY}", f"b,2,{DAY}"))
    pull(pool, OPERATOR, declared(folder), tell=told.append)
    assert [progress.phase for progress in (told[0], told[-1])] == ["reading", "done"]
    assert told[-1].mapped == 2


# -- increments and streams


def rows(*codes: str) -> list[tuple[str, str, str]]:
    return [(code, "1", DAY) for code in codes]


def test_each_batch_is_a_commit_with_its_cursor_and_settled_after_it(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps([rows("a"), rows("b", "c")])
    seen: list[set[str]] = []
    steps.before = lambda number: seen.append(set(sizes(pool)))
    record = stepped(pool, folder_of(tmp_path, "things", ""), steps, monkeypatch)
    assert (record.state, record.rows, steps.settled) == ("done", 3, [0, 1])
    assert seen == [set(), {"a"}]
    more = Steps([*steps.steps, rows("d")])
    assert stepped(pool, folder_of(tmp_path, "things", ""), more, monkeypatch).rows == 1
    assert more.asked == [{"done": 2}]
    assert set(sizes(pool)) == {"a", "b", "c", "d"}


def test_a_pull_goes_on_where_it_stopped_when_the_other_side_comes_back(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps([rows("a"), Unreachable("The line drops."), Unreachable("Again."), rows("b")])
    record = stepped(pool, folder_of(tmp_path, "things", ""), steps, monkeypatch)
    assert (record.state, record.rows) == ("done", 2)
    assert steps.asked == [None, {"done": 1}, {"done": 2}]


def test_what_stays_away_fails_with_its_reason_and_keeps_what_came(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone(Steps):
        def batches(self, cursor: Any) -> Any:
            self.asked.append(cursor)
            if cursor is None:
                self.steps = self.steps[:1]
                yield from super().batches(cursor)
            raise Unreachable("The database does not answer.")

    steps = Gone([rows("a")])
    record = stepped(pool, folder_of(tmp_path, "things", ""), steps, monkeypatch)
    assert (record.state, record.reason) == ("failed", "The database does not answer.")
    assert set(sizes(pool)) == {"a"}


def test_a_whole_pull_that_breaks_off_begins_anew_and_shows_nothing_before_its_end(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps([rows("a"), Unreachable("The line drops."), rows("b")], manner="whole")
    steps.before = lambda number: None if sizes(pool) == {} else pytest.fail("rows of an unjudged pull are shown")
    record = stepped(pool, folder_of(tmp_path, "things", ""), steps, monkeypatch)
    assert (record.state, record.rows, record.entities) == ("done", 2, 2)
    assert steps.asked == [None, None]


def test_an_odd_message_does_not_hold_up_a_stream(tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps([rows("a"), [("b", "much", DAY)], rows("c")], manner="stream")
    record = stepped(pool, folder_of(tmp_path, "things", ""), steps, monkeypatch)
    assert (record.state, record.rejected, steps.settled) == ("failed" if record.reason else "done", 1, [0, 1, 2])
    assert set(sizes(pool)) == {"a", "c"}
    (group,) = pool.rejects(OPERATOR, "things")
    assert group.examples[0]["place"] == "steps message 2"


def test_a_streams_record_has_what_its_expectations_found(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path, "things", "")
    with (folder / "source.toml").open("a") as file:
        file.write('[[expectations]]\nname = "small"\nkind = "range"\ncolumn = "size"\nmax = 5\nleave_out = true\n')
    steps = Steps([rows("a"), [("b", "9", DAY)], rows("c")], manner="stream")
    record = stepped(pool, folder, steps, monkeypatch)
    (result,) = record.expectations
    assert (result["name"], result["passed"], result["failed"]) == ("small", 2, 1)
    assert set(sizes(pool)) == {"a", "c"} and record.rejected == 1


def test_a_stream_ends_when_told_to(tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    steps = Steps([rows(str(number)) for number in range(10_000)], manner="stream")
    steps.before = lambda number: stop.set() if number == 3 else None
    record = stepped(pool, folder_of(tmp_path, "things", ""), steps, monkeypatch, stop=stop)
    assert record.state == "done"
    assert 3 <= record.rows < 10_000
    assert record.rows == len(steps.settled)


def test_a_stream_that_wants_all_rows_is_refused(tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(tmp_path, "things", "", window="all")
    record = stepped(pool, folder, Steps([], manner="stream"), monkeypatch)
    assert record.state == "failed"
    assert "derived" in (record.reason or "")


def test_an_increment_whose_mapping_looks_over_everything_is_pulled_whole(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapping = "select 'urn:ngsi-ld:Thing:all' as id, 'Thing' as type, sum(cast(size as double)) as size from source"
    folder = folder_of(tmp_path, "things", "", mapping, window="all")
    assert stepped(pool, folder, Steps([rows("a"), rows("b")]), monkeypatch).state == "done"
    assert stepped(pool, folder, Steps([rows("a"), rows("b"), rows("c")]), monkeypatch, terms=Terms(again=True))
    assert sizes(pool) == {"all": 3.0}


def test_an_error_nobody_expected_has_a_number_and_tells_nothing_else(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    record = stepped(pool, folder_of(tmp_path, "things", ""), Steps([ValueError("secret")]), monkeypatch)
    assert record.state == "failed"
    assert record.reason and "secret" not in record.reason
    number = record.reason.split("number ")[1].split(".")[0]
    assert any(number in line.getMessage() for line in caplog.records)


def test_a_wrong_folder_is_a_failed_run_with_the_place(tmp_path: Path, pool: Pool) -> None:
    folder = folder_of(tmp_path, "things", things(f"a,1,{DAY}"))
    declaration = declared(folder)
    (folder / "mapping.sql").unlink()
    record = pull(pool, OPERATOR, declaration)
    assert record.state == "failed"
    assert "no mapping" in (record.reason or "")


def test_other_sources_go_on_where_one_fails(tmp_path: Path, pool: Pool) -> None:
    broken = folder_of(tmp_path, "broken", things(f"a,x,{DAY}"))
    good = folder_of(tmp_path, "good", things(f"b,1,{DAY}"))
    assert [pulled(pool, folder).state for folder in (broken, good)] == ["failed", "done"]
    assert sizes(pool) == {"b": 1.0}


def test_a_full_disk_for_what_waits_is_said_and_nothing_is_lost(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path, "things", things(f"a,1,{DAY}"))
    pulled(pool, folder)
    (folder / "things.csv").write_text(things(f"a,2,{DAY}"))
    steps = Steps([OSError(28, "No space left on device")], manner="whole")
    record = stepped(pool, folder, steps, monkeypatch)
    assert record.state == "failed"
    assert "Make room on the disk" in (record.reason or "")
    assert sizes(pool) == {"a": 1.0}


def test_a_derived_source_reads_the_pool(tmp_path: Path, pool: Pool) -> None:
    at = "2024-03-30T0{}:00:00Z"
    given = [
        f"{code},{size},{at.format(hour)}" for code, hour, size in (("a", 1, 1), ("a", 2, 3), ("b", 1, 9), ("b", 2, 5))
    ]
    pulled(pool, folder_of(tmp_path, "things", things(*given)))
    mean = folder_of(
        tmp_path, "mean", "",
        "select 'urn:ngsi-ld:Area:1' as id, 'Area' as type, avg(value) as size, observedAt as \"observedAt\""
        " from source where attribute = 'size' group by observedAt order by observedAt desc limit 1",
    )  # fmt: skip
    (mean / "source.toml").write_text('kind = "derived"\ntype = "Thing"\nattributes = ["size"]\nlast = 5\n')
    record = pulled(pool, mean)
    assert (record.state, record.rows) == ("done", 4)
    assert sizes(pool, "Area") == {"1": 4.0}
    assert pulled(pool, mean).state == "unchanged"


def test_a_derived_source_without_readings_changes_nothing(tmp_path: Path, pool: Pool) -> None:
    mean = folder_of(tmp_path, "mean", "")
    (mean / "source.toml").write_text('kind = "derived"\ntype = "Thing"\n')
    (mean / "mapping.sql").write_text("select id as id, 'Area' as type, value as size from source")
    assert pulled(pool, mean).state == "unchanged"


def test_facts_carry_everything_the_pool_must_know() -> None:
    declaration = Declaration(
        "x", "csv", Path(), {}, tenant="t", holds=5, gone="end", gone_share=0.1, null_remove=("a",), never_store=("b",)
    )
    known = run.facts(declaration, "stream")
    assert (known.name, known.tenant, known.manner, known.holds) == ("x", "t", "stream", 5)
    assert (known.gone, known.gone_share, known.null_remove, known.never_store) == ("end", 0.1, {"a"}, {"b"})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ('words = "x"', "`words` is no table"),
        ("[words]\nzh = 7", "`words.zh` is no table of texts"),
        ('[words.zh]\n"a" = 7', "`words.zh` is no table of texts"),
    ],
)
def test_words_that_are_no_texts_are_told(tmp_path: Path, words: str, said: str) -> None:
    folder = folder_of(tmp_path, "things", "")
    with (folder / "source.toml").open("a") as toml:
        toml.write(words)
    with pytest.raises(InvalidSettings, match=said):
        declared(folder)


def test_a_backfill_through_the_loop_keeps_rows_rejects_and_the_cursor(tmp_path: Path, pool: Pool) -> None:
    rows = [f"a,{at},2024-03-{at + 1:02}T00:00:00Z" for at in range(20)]
    folder = folder_of(tmp_path, "things", things(*rows, f"b,much,{DAY}"), backfill=True)
    lake = Lake(str(tmp_path / "lake"))
    record = pulled(pool, folder, history=lake)
    assert (record.state, record.rows, record.mapped, record.rejected) == ("done", 21, 20, 1)
    assert (record.entities, record.instances) == (1, 20)
    assert sizes(pool) == {"a": 19.0}
    (trace,) = pool.explain(OPERATOR, "urn:ngsi-ld:Thing:a", "size")
    assert trace.place == "things.csv line 21"
    table = lake.table("Thing")
    assert table is not None
    assert [file.rows for file in table.snapshot().files] == [20]
    assert pulled(pool, folder, history=lake).state == "unchanged"
    assert table.snapshot().version == 1


def test_what_brings_only_what_is_new_cannot_be_backfilled(tmp_path: Path, pool: Pool) -> None:
    folder = folder_of(tmp_path, "things", "")
    (folder / "source.toml").write_text('kind = "push"\nbackfill = true\n')
    record = pulled(pool, folder, history=Lake(str(tmp_path / "lake")))
    assert record.state == "failed"
    assert "only what is new" in str(record.reason)
