"""NGSI-LD's addresses: one table of operations, and provenance beside it.

`Doors` is what `app` hands in: who may call, and the city's contexts.
"""

from dataclasses import dataclass, field, replace
from functools import partial

from starlette.routing import BaseRoute, Route

from landbridge.api.http.caller import Callers
from landbridge.api.http.resource import BODY_LIMIT, Beneath, Resource
from landbridge.api.ngsild.attribute import Attributes
from landbridge.api.ngsild.batch import Batches
from landbridge.api.ngsild.context import ContextServer
from landbridge.api.ngsild.csource_subscription import CsourceSubscriptions, watch_of
from landbridge.api.ngsild.description_page import Description
from landbridge.api.ngsild.discovery import Discovery
from landbridge.api.ngsild.distribution import Distribution
from landbridge.api.ngsild.distribution_batch import BatchDistribution
from landbridge.api.ngsild.distribution_discovery import SharedDiscovery
from landbridge.api.ngsild.distribution_purge import PurgeDistribution
from landbridge.api.ngsild.entity import Entities
from landbridge.api.ngsild.entity_map import EntityMaps
from landbridge.api.ngsild.express import Express
from landbridge.api.ngsild.fault import FAULTS
from landbridge.api.ngsild.identity import Identity
from landbridge.api.ngsild.operation import ROOT, Table
from landbridge.api.ngsild.origin import PROVENANCE, Origins
from landbridge.api.ngsild.parameter import TENANT
from landbridge.api.ngsild.provision import Provision
from landbridge.api.ngsild.registration import Registrations
from landbridge.api.ngsild.relay import ADDRESS as NOTIFIED
from landbridge.api.ngsild.relay import RelayServer
from landbridge.api.ngsild.snapshot import SnapshotServer
from landbridge.api.ngsild.subscription import SILENT, SubscriptionServer, Telling
from landbridge.api.ngsild.temporal import Temporals
from landbridge.api.ngsild.temporal_map import TemporalMaps
from landbridge.api.ngsild.temporal_provision import TemporalProvision
from landbridge.api.ngsild.temporal_question import USUAL_PAGE
from landbridge.federation.herald import Herald
from landbridge.federation.reach import Reach
from landbridge.federation.relay import NOTIFIER
from landbridge.model.definition import find_nothing
from landbridge.model.terms import Contexts
from landbridge.pool.context import KeptContexts
from landbridge.pool.pool import Pool

DOOR = "ngsild"


@dataclass(frozen=True)
class Doors:
    """Who may call, the contexts the city knows and keeps, the sources registered with its pool, and who notifies."""

    callers: Callers
    contexts: Contexts = field(default_factory=Contexts)
    reach: Reach | None = None
    kept: KeptContexts | None = None
    telling: Telling = SILENT
    herald: Herald | None = None
    heralding: Telling = SILENT
    body_limit: int = BODY_LIMIT  # bytes
    history_page: int = USUAL_PAGE  # instances of each attribute that one answer has


def table(pool: Pool, doors: Doors) -> Table:
    """All operations over a pool."""
    reach = doors.reach or Reach(pool, contexts=doors.contexts)
    return table_over(pool, doors, reach, open_herald(pool, doors.contexts, reach))


def table_over(
    pool: Pool,
    doors: Doors,
    reach: Reach,
    herald: Herald,
    relay: RelayServer | None = None,
    entities: Entities | None = None,
) -> Table:
    """The same with those who notify; `relay` has been opened after the herald."""
    relay = relay or RelayServer(reach, doors.contexts, doors.heralding.hurry)
    around = (
        relay,
        Distribution(reach, doors.contexts),
        BatchDistribution(reach, doors.contexts),
        PurgeDistribution(reach, doors.contexts),
        SharedDiscovery(reach, doors.contexts),
    )
    parts = (
        entities or Entities(pool, doors.contexts, reach),
        Provision(pool, doors.contexts),
        Attributes(pool, doors.contexts),
        Batches(pool, doors.contexts),
        Discovery(pool, doors.contexts),
        Temporals(pool, doors.contexts, reach, doors.history_page),
        TemporalProvision(pool, doors.contexts),
        TemporalMaps(pool, doors.contexts, reach),
        EntityMaps(pool, doors.contexts, reach),
        SubscriptionServer(pool, doors.contexts, doors.telling),
        Registrations(pool, doors.contexts, reach),
        CsourceSubscriptions(pool, doors.contexts, herald, doors.heralding, relay.watching),
        Identity(reach, doors.contexts),
        ContextServer(doors.kept or KeptContexts(pool, find_nothing), doors.contexts),
    )
    snapshots = SnapshotServer(pool, doors.contexts, reach.snapshots, reach.egress.check)
    served = [one for part in (*parts, snapshots) for one in part.served()]
    for wider in (*around, snapshots):
        served = [wider.around(one) for one in served]
    return Table(served)


def open_herald(pool: Pool, contexts: Contexts, reach: Reach) -> Herald:
    """Who watches the registrations for those who subscribe to them; by the clock only once it is started."""
    return Herald(pool, reach.registry.cabinet, partial(watch_of, contexts=contexts))


def routes(pool: Pool, doors: Doors) -> list[BaseRoute]:
    """The addresses of NGSI-LD and of provenance, over a pool."""
    return open_api(pool, doors)[0]


def open_api(pool: Pool, doors: Doors) -> tuple[list[BaseRoute], Express]:
    """The addresses, and the short way to what they answer at once."""
    origins = Origins(pool, doors.contexts)
    reach = doors.reach or Reach(pool, contexts=doors.contexts)
    herald = doors.herald or open_herald(pool, doors.contexts, reach)
    relay = RelayServer(reach, doors.contexts, doors.heralding.hurry)
    entities = Entities(pool, doors.contexts, reach)
    operations = table_over(pool, doors, reach, herald, relay, entities)
    anyone = replace(doors.callers, operator=None, public=NOTIFIER)  # who knows a copy's id may notify for it
    served = Resource(
        {}, doors.callers, FAULTS, DOOR, doors.body_limit, operations.methods, {"NGSILD-Tenant": TENANT}, True
    )
    description = Description(operations)
    addresses: list[BaseRoute] = [
        Route(ROOT + "/openapi.json", Resource({"GET": description.document}, doors.callers, FAULTS, DOOR)),
        Route(ROOT + "/openapi.html", Resource({"GET": description.page}, doors.callers, FAULTS, DOOR)),
        Route(NOTIFIED, Resource({"POST": relay.notified}, anyone, FAULTS, DOOR, doors.body_limit)),
        Beneath(ROOT, served),
        Beneath(PROVENANCE, Resource({"GET": origins.explain}, doors.callers, FAULTS, DOOR)),
    ]
    return addresses, Express(entities, served)
