"""NGSI-LD's addresses. The next issue completes the standard; these are correct for what they cover.

`Doors` is what `app` hands in: who may call, and the city's contexts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.routing import Route

from landbridge.api.http.caller import Callers
from landbridge.api.http.resource import Method, Resource
from landbridge.api.ngsild.entity import ENTITIES, Entities
from landbridge.api.ngsild.fault import FAULTS
from landbridge.api.ngsild.origin import PROVENANCE, Origins
from landbridge.api.ngsild.path import segments
from landbridge.api.ngsild.type import Types
from landbridge.errors import Missing
from landbridge.model.terms import Contexts
from landbridge.pool.pool import Pool

DOOR = "ngsild"


@dataclass(frozen=True)
class Doors:
    """Who may call, and the contexts that the city knows."""

    callers: Callers
    contexts: Contexts = field(default_factory=Contexts)


def routes(pool: Pool, doors: Doors) -> list[Route]:
    """The addresses of NGSI-LD and of provenance, over a pool."""
    entities, types = Entities(pool, doors.contexts), Types(pool, doors.contexts)
    origins = Origins(pool, doors.contexts)

    def below(request: Request) -> Mapping[str, Method]:
        """The methods of an entity, of its attributes, or of one of them."""
        match segments(request, ENTITIES):
            case [_]:
                return {"GET": entities.retrieve, "DELETE": entities.delete}
            case [_, "attrs"]:
                return {"POST": entities.append, "PATCH": entities.update}
            case [_, "attrs", _]:
                return {"DELETE": entities.delete_attribute}
        raise Missing("There is nothing at this address.")

    def resource(methods: Mapping[str, Method]) -> Resource:
        return Resource(methods, doors.callers, FAULTS, DOOR)

    return [
        Route(ENTITIES, resource({"GET": entities.query, "POST": entities.create})),
        Route(ENTITIES + "/", resource({"GET": entities.query, "POST": entities.create})),
        Route(ENTITIES + "/{rest:path}", Resource({}, doors.callers, FAULTS, DOOR, chosen=below)),
        Route("/ngsi-ld/v1/types", resource({"GET": types.all})),
        Route(PROVENANCE + "/{rest:path}", resource({"GET": origins.explain})),
    ]
