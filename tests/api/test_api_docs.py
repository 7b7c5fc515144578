"""docs/api.md names every parameter, every kind of error and every address."""

from pathlib import Path

import pytest

from landbridge.api.ngsild.fault import FAULTS
from landbridge.api.ngsild.parameter import ASKED, FORMS, PAGED, SHOWN

TEXT = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")


@pytest.mark.parametrize("name", sorted({parameter.name for parameter in (*ASKED, *SHOWN, *PAGED)} | set(FORMS)))
def test_a_parameter_is_documented(name: str) -> None:
    assert f"`{name}`" in TEXT


@pytest.mark.parametrize("fault", FAULTS.table, ids=lambda fault: fault.kind.__name__)
def test_an_error_is_documented(fault: object) -> None:
    assert str(fault.status) in TEXT  # type: ignore[attr-defined] # a Fault; pytest gives objects
    assert f"`{fault.type.rpartition('/')[2]}`" in TEXT  # type: ignore[attr-defined] # as above
