SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
  AND (((s1 >= ? AND s1 < x'') AND doc -> ? IS NULL) OR (s1 = x'' AND EXISTS (SELECT 1 FROM json_each(doc, ?) AS i0, json_each(TARGET(i0.value)) AS v WHERE (i0.value -> '$.object' IS NULL AND i0.value -> '$.objectList' IS NULL AND (typeof(v.key) <> 'text' AND (v.type = 'text' AND v.atom >= ?))))))
ORDER BY key
LIMIT ?
-- 1: 'red'
-- 2: '$."attrs"."colour"[0].object'
-- 3: '$."attrs"."colour"'
-- 4: 'red'
-- 5: 21
