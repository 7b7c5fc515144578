SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
  AND EXISTS (SELECT 1 FROM json_each(doc, ?) AS i0 WHERE i0.value ->> ? >= ?)
ORDER BY key
LIMIT ?
-- 1: '$."attrs"."level"'
-- 2: '$."@"[2]'
-- 3: 1585785600000000
-- 4: 21
