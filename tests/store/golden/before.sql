SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < ?
ORDER BY key DESC
LIMIT ?
-- 1: 1099511627783
-- 2: 21
