"""landbridge.toml and the operator's variables: what is read, and what each mistake says."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landbridge.errors import InvalidSettings, LandbridgeError, Missing
from landbridge.settings import CITY_KEYS, SETTINGS, VARIABLES, Rule, read_operator, read_settings


def city(folder: Path, text: str) -> Path:
    (folder / "landbridge.toml").write_text(text, "utf-8")
    return folder


def refusal(folder: Path, text: str) -> InvalidSettings:
    with pytest.raises(InvalidSettings) as caught:
        read_settings(city(folder, text))
    return caught.value


def test_a_city_needs_nothing_but_its_file(tmp_path: Path) -> None:
    settings = read_settings(city(tmp_path, ""))
    assert settings.name == {"": tmp_path.name}
    assert settings.store == tmp_path / ".landbridge/pool.db"
    assert settings.sources == tmp_path / "sources"
    assert (settings.time_zone, settings.languages, settings.public, settings.rules) == ("UTC", ("en",), False, ())


def test_everything_that_can_be_set_is_read(tmp_path: Path) -> None:
    (tmp_path / "context.jsonld").write_text("{}")
    (tmp_path / "areas.geojson").write_text("{}")
    settings = read_settings(
        city(
            tmp_path,
            """
            name = {en = "Binhai New Area", zh = "滨海新区"}
            languages = ["en", "zh"]
            time_zone = "Asia/Shanghai"
            tenant = "binhai"
            contexts = ["context.jsonld"]
            store = "data/pool.db"
            district = "areas.geojson"
            [access]
            public = true
            hosts = ["city.example"]
            [claims.EpidemicSituation]
            rule = "priority"
            order = ["health-commission", "dxy"]
            tolerance = 0.5
            tolerance_time = "P1D"
            [claims.EpidemicSituation.deaths]
            rule = "highest"
            """,
        )
    )
    assert settings.name["zh"] == "滨海新区"
    assert settings.contexts == (tmp_path / "context.jsonld",)
    assert settings.district == tmp_path / "areas.geojson"
    assert settings.store == tmp_path / "data/pool.db"
    assert (settings.public, settings.hosts, settings.tenant) == (True, ("city.example",), "binhai")
    assert settings.rules == (
        Rule("EpidemicSituation", "*", "priority", ("health-commission", "dxy"), 0.5, "P1D"),
        Rule("EpidemicSituation", "deaths", "highest"),
    )


def test_a_file_saved_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "landbridge.toml").write_bytes(b'\xef\xbb\xbfname = "Here"')
    assert read_settings(tmp_path).name == {"": "Here"}


@pytest.mark.parametrize(
    ("text", "key", "remedy"),
    [
        ("name = 3", "name", "zh ="),
        ('nmae = "x"', "nmae", "Did you mean `name`?"),
        ('time_zone = "Asia/Shangai"', "time_zone", "Asia/Shanghai"),
        ("languages = 'en'", "languages", "list"),
        ('contexts = ["absent.jsonld"]', "contexts", "Correct"),
        ('district = "absent.geojson"', "district", "Correct"),
        ("access = true", "access", "[access]"),
        ("[access]\npublik = true", "access.publik", "Did you mean `access.public`?"),
        ('[access]\npublic = "yes"', "access.public", "true or false"),
        ('[claims.T]\nrule = "first"', "claims.T.rule", "median"),
        ('[claims.T]\nrule = "priority"', "claims.T.rule", "List the sources"),
        ('[claims.T.x]\nrule = "newest"\ntolerance = -1', "claims.T.x.tolerance", "from 0 up"),
        ('[claims.T]\nrule = "newest"\norder = "a"', "claims.T.order", "list"),
        ("claims = 1", "claims", "[claims]"),
    ],
)
def test_a_mistake_names_file_key_and_remedy(tmp_path: Path, text: str, key: str, remedy: str) -> None:
    error = refusal(tmp_path, text)
    assert error.where == "landbridge.toml"
    assert f"`{key}`" in error.message
    assert remedy in str(error)


def test_a_file_that_is_no_toml_says_where(tmp_path: Path) -> None:
    assert "line 2" in str(refusal(tmp_path, 'name = "x"\nlanguages = = 1\n'))


def test_a_file_in_another_encoding_says_so(tmp_path: Path) -> None:
    (tmp_path / "landbridge.toml").write_bytes('name = "滨海"'.encode("gbk"))
    with pytest.raises(InvalidSettings, match="UTF-8"):
        read_settings(tmp_path)


@pytest.mark.parametrize("folder", ["", "absent"])
def test_what_is_no_city_is_told_apart(tmp_path: Path, folder: str) -> None:
    with pytest.raises(Missing, match="landbridge init"):
        read_settings(tmp_path / folder)


@given(st.binary(max_size=200))
def test_no_content_ends_in_another_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "landbridge.toml").write_bytes(content)
    try:
        assert read_settings(folder).folder == folder
    except LandbridgeError as error:
        assert "landbridge.toml" in str(error)


def test_the_environment_sets_the_machine() -> None:
    assert read_operator({}).port == 8000
    operator = read_operator({"LANDBRIDGE_PORT": "0", "LANDBRIDGE_HOST": "::1", "LANDBRIDGE_LOG_LEVEL": "DEBUG"})
    assert (operator.port, operator.host, operator.log_level) == (0, "::1", "debug")
    operator = read_operator({"LANDBRIDGE_ALLOW_EGRESS": "10.0.0.0/8, broker.example,", "LANDBRIDGE_CONTEXTS_MAP": "m"})
    assert (operator.allow_egress, operator.contexts_map) == (("10.0.0.0/8", "broker.example"), Path("m"))
    assert (read_operator({"LANDBRIDGE_CA_FILE": "ca.pem"}).ca_file, read_operator({}).ca_file) == (
        Path("ca.pem"),
        None,
    )
    assert read_operator({"LANDBRIDGE_ADDRESS": "https://city.example/"}).address == "https://city.example"
    assert (read_operator({}).allow_egress, read_operator({}).contexts_map) == ((), None)


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("LANDBRIDGE_PORT", "http", "whole number from 0 to 65535"),
        ("LANDBRIDGE_ADDRESS", "city.example", "https://city.example"),
        ("LANDBRIDGE_PORT", "70000", "whole number from 0 to 65535"),
        ("LANDBRIDGE_PULLS", "0", "from 1"),
        ("LANDBRIDGE_LOG_LEVEL", "loud", "warning"),
        ("LANDBRIDGE_SPOOL", "/nowhere/at/all", "Make it"),
        ("LANDBRIDGE_PROT", "1", "Did you mean LANDBRIDGE_PORT?"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, remedy: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        read_operator({name: value})
    assert name in str(caught.value)
    assert remedy in str(caught.value)


def test_every_variable_that_the_code_reads_is_listed() -> None:
    source = Path(read_operator.__code__.co_filename).read_text()
    assert set(re.findall(r'"(LANDBRIDGE_[A-Z_]+)"', source)) - {"LANDBRIDGE_REQUIRE_ALL"} <= set(VARIABLES)
    assert SETTINGS == CITY_KEYS | VARIABLES
    assert all(default and sentence for default, sentence in SETTINGS.values())
