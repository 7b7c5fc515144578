SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
  AND regexp(?, id)
UNION ALL
SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 2199023255552 AND key < 3298534883328
  AND id IN (?)
ORDER BY key
LIMIT ?
-- 1: '7$'
-- 2: 'urn:x:1'
-- 3: 21
