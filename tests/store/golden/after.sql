SELECT key, id, doc, created, modified, version
FROM entity
WHERE key > ? AND key < 2199023255552
ORDER BY key
LIMIT ?
-- 1: 1099511627783
-- 2: 21
