SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
  AND ((EXISTS (SELECT 1 FROM json_each(doc, '$.scope') AS s WHERE s.value = ?) AND EXISTS (SELECT 1 FROM json_each(doc, '$.scope') AS s WHERE regexp(?, s.value))) OR EXISTS (SELECT 1 FROM json_each(doc, '$.scope') AS s WHERE regexp(?, s.value)))
ORDER BY key
LIMIT ?
-- 1: '/a/b'
-- 2: '^/x(/.*)?$'
-- 3: '^/[^/]+/c$'
-- 4: 21
