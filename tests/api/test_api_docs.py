"""docs/api.md names every parameter, every kind of error and every address."""

from pathlib import Path

import pytest

from landbridge.api.ngsild import attribute, batch, provision
from landbridge.api.ngsild.fault import FAULTS
from landbridge.api.ngsild.operation import Operation
from landbridge.api.ngsild.parameter import ASKED, FORMS, PAGED, SHOWN

WRITES = [
    one for module in (attribute, batch, provision) for one in vars(module).values() if isinstance(one, Operation)
]
TEXT = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")


@pytest.mark.parametrize("name", sorted({parameter.name for parameter in (*ASKED, *SHOWN, *PAGED)} | set(FORMS)))
def test_a_parameter_is_documented(name: str) -> None:
    assert f"`{name}`" in TEXT


@pytest.mark.parametrize("operation", WRITES, ids=lambda operation: operation.name)
def test_a_write_is_documented(operation: Operation) -> None:
    assert all(f"`{name}" in TEXT or f", `{name}`" in TEXT for name in operation.known)
    assert operation.verb in TEXT
    last = operation.path.replace("{entityId}", "{id}").replace("{attrId}", "{name}")
    assert last in TEXT or (last.startswith("/entityOperations/") and f"`{operation.template[-1]}`" in TEXT)


@pytest.mark.parametrize("fault", FAULTS.table, ids=lambda fault: fault.kind.__name__)
def test_an_error_is_documented(fault: object) -> None:
    assert str(fault.status) in TEXT  # type: ignore[attr-defined] # a Fault; pytest gives objects
    assert f"`{fault.type.rpartition('/')[2]}`" in TEXT  # type: ignore[attr-defined] # as above
