SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
UNION ALL
SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 2199023255552 AND key < 3298534883328
UNION ALL
SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 3298534883328 AND key < 4398046511104
UNION ALL
SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 4398046511104 AND key < 5497558138880
ORDER BY key
LIMIT ?
-- 1: 21
