SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
  AND s0 IS NOT NULL
UNION ALL
SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 3298534883328 AND key < 4398046511104
  AND s5 IS NOT NULL
UNION ALL
SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 4398046511104 AND key < 5497558138880
  AND (json_type(doc, ?) IS NOT NULL OR s3 IS NOT NULL)
ORDER BY key
LIMIT ?
-- 1: '$."attrs"."level"'
-- 2: 21
