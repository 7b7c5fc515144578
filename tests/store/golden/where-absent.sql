SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 2199023255552 AND key < 3298534883328
  AND s0 IS NOT NULL
ORDER BY key
LIMIT ?
-- 1: 21
