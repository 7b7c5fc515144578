"""The store's tables, as numbered forward migrations: `PRAGMA user_version` says how many have run.

Keys: an entity's `key` is its kind's number times 2^40 plus a running number, so the entities of one tenant and
type are one range of keys, found and paged without another index. Every table of facts names the tenant or
hangs on such a key.
"""

SLOTS = 32
KIND_BITS = 40

SLOT_COLUMNS = ", ".join(f"s{number}" for number in range(SLOTS))

FIRST = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;

-- One row per commit: what happened when, by whom. This is the audit of writes.
CREATE TABLE commits (
  number INTEGER PRIMARY KEY, recorded INTEGER NOT NULL, tenant TEXT NOT NULL,
  actor TEXT NOT NULL, request TEXT NOT NULL, source TEXT, run INTEGER);

-- State: one row per entity, all instances with their provenance in one document, queryable values beside it.
CREATE TABLE kind (
  num INTEGER PRIMARY KEY, tenant TEXT NOT NULL, type TEXT NOT NULL, slots TEXT NOT NULL,
  entities INTEGER NOT NULL DEFAULT 0, next INTEGER NOT NULL DEFAULT 1, located INTEGER NOT NULL DEFAULT 0,
  UNIQUE (tenant, type));
CREATE TABLE entity (
  key INTEGER PRIMARY KEY, id TEXT NOT NULL, doc TEXT NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL,
  version INTEGER NOT NULL, lon REAL, lat REAL, cell INTEGER, {SLOT_COLUMNS});
CREATE INDEX entity_cell ON entity (cell) WHERE cell IS NOT NULL;
CREATE TABLE name (tenant TEXT NOT NULL, id TEXT NOT NULL, key INTEGER NOT NULL, PRIMARY KEY (tenant, id))
  WITHOUT ROWID;
CREATE TABLE extra_type (kind INTEGER NOT NULL, key INTEGER NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE INDEX extra_type_key ON extra_type (key);
CREATE VIRTUAL TABLE shape USING rtree(key, minx, maxx, miny, maxy);

-- Journal: what every commit recorded. Bulk as columns, many rows to a segment; single writes a row each.
CREATE TABLE segment (
  seq INTEGER PRIMARY KEY, number INTEGER NOT NULL, tenant TEXT NOT NULL, kind INTEGER NOT NULL, source TEXT NOT NULL,
  run INTEGER NOT NULL, min_key INTEGER NOT NULL, max_key INTEGER NOT NULL, min_time INTEGER, max_time INTEGER,
  rows INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX segment_kind ON segment (kind, min_key);
CREATE TABLE journal (
  key INTEGER NOT NULL, attribute TEXT NOT NULL, number INTEGER NOT NULL, ordinal INTEGER NOT NULL,
  dataset TEXT, owner TEXT NOT NULL, observed INTEGER, operation TEXT NOT NULL, instance TEXT,
  PRIMARY KEY (key, attribute, number, ordinal)) WITHOUT ROWID;

-- Outbox: what each commit changed, until it has been announced.
CREATE TABLE outbox (number INTEGER PRIMARY KEY, body TEXT NOT NULL);

-- Sources: where they stand, how their runs went, what they sent and what could not be used.
CREATE TABLE source (
  name TEXT PRIMARY KEY, declared TEXT NOT NULL, cursor TEXT, fingerprint TEXT, runs INTEGER NOT NULL DEFAULT 0)
  WITHOUT ROWID;
CREATE TABLE run (source TEXT NOT NULL, run INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (source, run))
  WITHOUT ROWID;
CREATE TABLE seen (source TEXT NOT NULL, part INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (source, part))
  WITHOUT ROWID;
CREATE TABLE raw (
  seq INTEGER PRIMARY KEY, source TEXT NOT NULL, run INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  body BLOB NOT NULL);
CREATE INDEX raw_run ON raw (source, run, first);
CREATE TABLE reject (
  seq INTEGER PRIMARY KEY, source TEXT NOT NULL, run INTEGER NOT NULL, reason TEXT NOT NULL, place TEXT NOT NULL,
  row TEXT NOT NULL);
CREATE INDEX reject_reason ON reject (source, reason);

-- Where claims differ: intervals of observed time.
CREATE TABLE disagreement (
  key INTEGER NOT NULL, attribute TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER, said TEXT NOT NULL,
  PRIMARY KEY (key, attribute, since)) WITHOUT ROWID;

-- Who may come in, and what was refused.
CREATE TABLE token (
  hash BLOB PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, source TEXT, created INTEGER NOT NULL, expires INTEGER)
  WITHOUT ROWID;
CREATE TABLE audit (
  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, role TEXT NOT NULL, action TEXT NOT NULL,
  target TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL, request TEXT NOT NULL);
"""

SECOND = """
-- Shelves: documents that clients leave beside the entities (subscriptions, registrations, contexts, ...), each with
-- the tenant's own ids. A shelf's version grows with each change, so that whoever keeps it in memory knows.
CREATE TABLE shelf (
  shelf TEXT NOT NULL, tenant TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
  created INTEGER NOT NULL, modified INTEGER NOT NULL, PRIMARY KEY (shelf, tenant, id)) WITHOUT ROWID;
CREATE TABLE shelf_version (shelf TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX shelf_modified ON shelf (shelf, modified);
CREATE TABLE shelf_gone (
  shelf TEXT NOT NULL, tenant TEXT NOT NULL, id TEXT NOT NULL, gone INTEGER NOT NULL,
  PRIMARY KEY (shelf, tenant, id)) WITHOUT ROWID;
CREATE INDEX shelf_gone_when ON shelf_gone (shelf, gone);

-- Transient entities (NGSI-LD 4.22): when the first of what an entity has, or it itself, expires.
CREATE TABLE expiry (key INTEGER PRIMARY KEY, due INTEGER NOT NULL);
CREATE INDEX expiry_due ON expiry (due);

-- Subscribed: which entities somebody wants to hear of ('' is any), how often; what commits did to them, until that
-- is matched; what is to be delivered, until it is (`dead`: until an operator sees to it); how deliveries went.
CREATE TABLE interest (
  tenant TEXT NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL, attribute TEXT NOT NULL, uses INTEGER NOT NULL,
  PRIMARY KEY (tenant, type, id, attribute)) WITHOUT ROWID;
CREATE TABLE change (
  rank INTEGER PRIMARY KEY, tenant TEXT NOT NULL, id TEXT NOT NULL, recorded INTEGER NOT NULL,
  created INTEGER NOT NULL, modified INTEGER NOT NULL, before TEXT, after TEXT);
CREATE TABLE delivery (
  shelf TEXT NOT NULL, tenant TEXT NOT NULL, subscription TEXT NOT NULL, rank INTEGER NOT NULL,
  notification TEXT NOT NULL, made INTEGER NOT NULL, body BLOB NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
  due INTEGER NOT NULL DEFAULT 0, dead INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (shelf, tenant, subscription, rank)) WITHOUT ROWID;
CREATE INDEX delivery_dead ON delivery (dead) WHERE dead;
CREATE TABLE delivered (
  shelf TEXT NOT NULL, tenant TEXT NOT NULL, subscription TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (shelf, tenant, subscription)) WITHOUT ROWID;
"""

THIRD = """
-- Past: keys of entities that are no more, that have another key now, or that only history knows (`ended` null).
-- `types` is JSON; times in microseconds. An entity that is made again has a new key, so an id may have many.
-- `cleared`: the commit that took its evolution away, where nothing of it was recorded since.
CREATE TABLE past (
  key INTEGER PRIMARY KEY, tenant TEXT NOT NULL, id TEXT NOT NULL, types TEXT NOT NULL, created INTEGER NOT NULL,
  ended INTEGER, cleared INTEGER);
CREATE INDEX past_id ON past (tenant, id);

-- A line of the journal may take the place of another one: of the commit and ordinal that it names.
ALTER TABLE journal ADD COLUMN replaces_number INTEGER;
ALTER TABLE journal ADD COLUMN replaces_ordinal INTEGER;
CREATE INDEX journal_number ON journal (number);
CREATE INDEX segment_number ON segment (number);

-- Drained: up to which commit a type's table of the lake has the journal, as far as it is known here (the table itself
-- knows it for certain), and the last commit of which the journal's lines of this type may be in the lake alone.
CREATE TABLE drained (
  type TEXT PRIMARY KEY, number INTEGER NOT NULL, trimmed INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;

-- Manifests: files of the lake that a backfill wrote, named here in the commit that makes them count, until the
-- type's table names them itself (then `files` is null; the row stays). All lines of these files are of the commit
-- `number`, which has none in the store's journal; they count since `recorded`, when the manifest was committed.
CREATE TABLE manifest (
  seq INTEGER PRIMARY KEY, type TEXT NOT NULL, source TEXT NOT NULL, run INTEGER NOT NULL, number INTEGER NOT NULL,
  recorded INTEGER NOT NULL, files TEXT);
CREATE INDEX manifest_type ON manifest (type, seq);

-- Erased: what must not come back, by keyed hashes alone (see `pool.erased`). `of`: an entity, a source, or a source's
-- column; `part`: an attribute of it, or a column's value (empty: all); `since`, `until` in microseconds (or null).
CREATE TABLE erased (
  seq INTEGER PRIMARY KEY, scope TEXT NOT NULL, of BLOB NOT NULL, part BLOB NOT NULL, sketch INTEGER NOT NULL,
  since INTEGER, until INTEGER, certificate TEXT NOT NULL);
CREATE INDEX erased_of ON erased (of);

-- Erasures under way, with what a restart needs to finish them; a row goes at the end of its erasure.
CREATE TABLE erasure (certificate TEXT PRIMARY KEY, step TEXT NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
"""

MIGRATIONS: tuple[str, ...] = (FIRST, SECOND, THIRD)
