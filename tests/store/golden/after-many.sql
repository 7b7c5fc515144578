SELECT key, id, doc, created, modified, version
FROM entity
WHERE key > ? AND key < 2199023255552
UNION ALL
SELECT key, id, doc, created, modified, version
FROM entity
WHERE key > ? AND key < 3298534883328
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
-- 1: 2199023255559
-- 2: 2199023255559
-- 3: 21
