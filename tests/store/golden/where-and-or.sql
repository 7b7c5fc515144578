SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
  AND (s1 IS NOT NULL AND (s0 < ? OR (s0 = x'' AND EXISTS (SELECT 1 FROM json_each(doc, ?) AS i0, json_each(TARGET(i0.value)) AS v WHERE (i0.value -> '$.object' IS NULL AND i0.value -> '$.objectList' IS NULL AND (typeof(v.key) <> 'text' AND (v.type IN ('integer', 'real') AND v.atom < ?)))))))
ORDER BY key
LIMIT ?
-- 1: 1
-- 2: '$."attrs"."level"'
-- 3: 1
-- 4: 21
