SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
  AND (((typeof(s1) = 'text' AND NOT (typeof(s1) = 'text' AND regexp(?, s1))) AND doc -> ? IS NULL) OR (s1 = x'' AND EXISTS (SELECT 1 FROM json_each(doc, ?) AS i0 WHERE (i0.value -> '$.object' IS NULL AND i0.value -> '$.objectList' IS NULL AND TARGET(i0.value) IS NOT NULL AND EXISTS (SELECT 1 FROM json_each(TARGET(i0.value)) AS v WHERE v.type = 'text' AND typeof(v.key) <> 'text') AND NOT EXISTS (SELECT 1 FROM json_each(TARGET(i0.value)) AS v WHERE (typeof(v.key) <> 'text' AND (v.type = 'text' AND regexp(?, v.atom))))))))
ORDER BY key
LIMIT ?
-- 1: '^re'
-- 2: '$."attrs"."colour"[0].object'
-- 3: '$."attrs"."colour"'
-- 4: '^re'
-- 5: 21
