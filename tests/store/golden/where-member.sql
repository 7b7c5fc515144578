SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
  AND EXISTS (SELECT 1 FROM json_each(doc, ?) AS i0, json_each(coalesce(i0.value -> ?, i0.value -> ?, i0.value -> ?, NULL)) AS v WHERE (i0.value -> '$.object' IS NULL AND i0.value -> '$.objectList' IS NULL AND (typeof(v.key) <> 'text' AND (v.type IN ('integer', 'real') AND v.atom > ?))))
ORDER BY key
LIMIT ?
-- 1: '$."attrs"."level"'
-- 2: '$."value"."air"."pm25"'
-- 3: '$."languageMap"."air"."pm25"'
-- 4: '$."json"."air"."pm25"'
-- 5: 40
-- 6: 21
