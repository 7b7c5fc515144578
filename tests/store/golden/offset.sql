SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
ORDER BY key
LIMIT ? OFFSET ?
-- 1: 21
-- 2: 40
