SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
  AND EXISTS (SELECT 1 FROM json_each(doc, ?) AS i0, json_each(iif(json_type(i0.value, ?) = 'array', i0.value -> ?, '[' || (i0.value -> ?) || ']')) AS i1, json_each(TARGET(i1.value)) AS v WHERE (i1.value -> '$.object' IS NULL AND i1.value -> '$.objectList' IS NULL AND (typeof(v.key) <> 'text' AND (v.type IN ('integer', 'real') AND v.atom < ?))))
ORDER BY key
LIMIT ?
-- 1: '$."attrs"."level"'
-- 2: '$."accuracy"'
-- 3: '$."accuracy"'
-- 4: '$."accuracy"'
-- 5: 0.1
-- 6: 21
