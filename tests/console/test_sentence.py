"""What sources and runs say reaches a Chinese page in Chinese: the sentences themselves, not copies of them."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landbridge.console.language import load_languages
from landbridge.console.sentence import PLACES, SENTENCES, place_told, told
from landbridge.pool.pool import Pool
from landbridge.sources.run import Terms, pull
from made_source import OPERATOR, declared, folder_of, opened

ZH, EN = load_languages()["zh"], load_languages()["en"]
# what may stay in Latin letters: what the sentence quotes, names of columns and kinds, zones, files, times, places
QUOTED = re.compile(
    r"[\w.]*“[^”]*”|列 [\w.]+|DOUBLE|DATE|URI|(Geo)?JSON|[A-Z]\w+/\w+|[\w.-]+\.csv|[\dTZ:.-]+|utf-8|\[[^]]*\]"
)
MAPPING = """
select case when kind = 'nokey' then null else 'urn:ngsi-ld:Thing:' || code end as id, 'Thing' as type,
       case when kind = 'cast' then cast(v as double) end              as size,
       case when kind = 'day' then cast(v as date) end                 as day,
       case when kind = 'number' then number(v) end                    as amount,
       case when kind = 'time' then local_time(v) end                  as at,
       case when kind = 'point' then point(v, '39') end                as "a.point",
       case when kind = 'world' then point('39', '117') end            as "b.point",
       case when kind = 'uri' then v end                               as "c.object",
       case when kind = 'json' then v end                              as "d.json",
       case when kind = 'geo' then v end                               as "e.geojson",
       case when kind = 'own' then reject('unknown station') end       as f
from source
"""
ROWS = [
    ("good", "1"), ("nokey", "1"), ("cast", "much"), ("day", "soon"), ("number", "one"), ("time", "noon"),
    ("time", "2024-03-31T02:30:00"), ("time", "2024-10-27T02:30:00"), ("point", "east"), ("world", "1"),
    ("uri", "no uri"), ("json", "{"), ("geo", "{"), ("own", "1"), ("high", "5000"),
    ("geo", '{""type"":""Polygon"",""coordinates"":[[[0,0],[1,0],[1,1]]]}'),
    ("geo", '{""type"":""Polygon"",""coordinates"":[[[0,0],[1,0],[1,1],[0,1]]]}'),
    ("geo", '{""type"":""Point"",""coordinates"":[300,0]}'),
]  # fmt: skip
EXPECTED = """
[words.zh]
"unknown station" = "未知站点"
"not too high" = "不过高"
"once" = "只出现一次"

[[expectations]]
name = "not too high"
kind = "range"
column = "v"
max = 1000
leave_out = true

[[expectations]]
name = "once"
kind = "unique"
columns = ["kind"]

[[expectations]]
name = "filled"
kind = "not-null"
column = "v"
"""


def in_chinese(text: str) -> bool:
    return re.search(r"[a-zA-Z]{2,}", QUOTED.sub("", text)) is None


def test_every_reason_of_a_pull_and_every_result_is_told_in_chinese(tmp_path: Path) -> None:
    lines = "".join(f'{kind},{place},"{value}"\n' for place, (kind, value) in enumerate(ROWS))
    folder = folder_of(tmp_path, "things", f"kind,code,v\n{lines}torn,1\n", MAPPING, time_zone="Europe/Berlin")
    with (folder / "source.toml").open("a") as toml:
        toml.write("reject_share = 1.0\n" + EXPECTED)
    declaration = declared(folder)
    pool: Pool = opened(tmp_path)
    try:
        record = pull(pool, OPERATOR, declaration, Terms(retries=0))
        assert record.state == "done", record.reason
        reasons = [group.reason for group in pool.rejects(OPERATOR)]
    finally:
        pool.close()
    assert len(reasons) >= len(ROWS) - 1
    words = declaration.words["zh"]
    said = [
        told(text, ZH, words) for text in [*reasons, *record.notes, *(one["detail"] for one in record.expectations)]
    ]
    assert [text for text in said if not in_chinese(text)] == []
    assert "未知站点" in said
    assert "不过高：列 v：5000 高于 1000" in said
    assert all(told(text, EN, words) == text for text in reasons)


@pytest.mark.parametrize(
    ("text", "zh"),
    [
        ("sources/things: The source yields nothing. See whether its origin still has the data.",
         "sources/things: 来源没有给出任何数据。请查看原处是否仍有数据。"),
        ("10 of 25 series: 永明路, 前进道 (CO, NO2 the same from 2020-03-26T10:00Z to 2020-04-01T23:00Z)",
         "25 个序列中有 10 个：永明路, 前进道（CO, NO2 自 2020-03-26T10:00Z 至 2020-04-01T23:00Z 保持不变）"),
        ("https://a.example:8443/notify: The receiver answers 410.", "https://a.example:8443/notify：接收方回应 410。"),
        ("localhost: The broker does not take the connection: Not authorized.",
         "localhost：消息代理不接受连接：未获授权。"),
        ("http://a.example/: The address cannot be reached: [Errno 111] Connection refused.",
         "http://a.example/：地址无法访问：连接被拒绝（错误号 111）。"),
        (("a.example: The certificate of a.example is of no trusted authority (self-signed certificate)."
         " The operator names the authority:  landbridge serve --ca-file FILE."),
         ("a.example: a.example 的证书不是由受信任的机构签发的（自签名证书）。"
         "运维人员可以指定该机构：landbridge serve --ca-file FILE。")),
        (('sources/s: The database city does not answer as it should: connection failed: connection to server at "db", '
         'port 5432 failed: FATAL: password authentication failed for user "city".'
         " See that it runs and that the account may read; the next pull tries again."),
         ("sources/s: 数据库 city 回应异常：连接失败：连接服务器“db”端口 5432 失败：用户“city”的密码验证失败。"
         "请确认它正在运行且账号可读；下次拉取会重试。")),
        (("sources/s: The database city does not answer as it should: (1045, "
         "\"Access denied for user 'city'@'db' (using "
         "password: YES)\"). See that it runs and that the account may read; the next pull tries again."),
         ("sources/s: 数据库 city 回应异常：用户“city”从“db”登录被拒绝（错误号 1045，使用密码：YES）。"
         "请确认它正在运行且账号可读；下次拉取会重试。")),
        ("The machine refuses: No space left on device. Make room on the disk; what was there before stays.",
         "机器拒绝：磁盘空间不足。请清出磁盘空间；原有数据保持不变。"),
        ("The database refuses the query: no such table: spots. Correct `table`, `query` or `grows`.",
         "数据库拒绝查询：没有表 spots。请更正 `table`、`query` 或 `grows`。"),
        ("The broker cannot be reached: what no driver said before.", "无法连接消息代理：what no driver said before。"),
        ("out of scope: another province", "out of scope: another province"),
        ("5 of 9 rows are mapped now; 4 stay rejected.", "9 行中现已映射 5 行，4 行仍被退回。"),
        ("Something new. What was there before stays.", "Something new.原有数据保持不变。"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_sentence_is_told_as_far_as_it_is_known(text: str, zh: str) -> None:
    assert told(text, ZH) == zh


def test_a_place_is_told() -> None:
    assert place_told("admin.csv line 12", ZH) == "admin.csv 第 12 行"
    assert place_told("admin.csv line 12", EN) == "admin.csv line 12"
    assert place_told("nowhere", ZH) == "nowhere"


@given(st.sampled_from([*SENTENCES, *PLACES]), st.data())
def test_whatever_a_sentence_quotes_stands_in_its_translation(sentence: str, data: st.DataObject) -> None:
    """No template takes another's text apart in a way that loses what was quoted."""
    names = dict.fromkeys(re.findall(r"%\((\w+)\)s", sentence))
    values = {name: data.draw(st.text("αβγ7 ", min_size=1).map(str.strip).filter(bool)) for name in names}
    text = sentence % values
    found = told(text, ZH)
    assert all(value in found for value in values.values())
