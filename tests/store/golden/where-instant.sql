SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
  AND (((typeof(s1) = 'text' AND coalesce(instant(s1) > ?, s1 > ?)) AND doc -> ? IS NULL) OR (s1 = x'' AND EXISTS (SELECT 1 FROM json_each(doc, ?) AS i0, json_each(TARGET(i0.value)) AS v WHERE (i0.value -> '$.object' IS NULL AND i0.value -> '$.objectList' IS NULL AND (typeof(v.key) <> 'text' AND (v.type = 'text' AND coalesce(instant(v.atom) > ?, v.atom > ?)))))))
ORDER BY key
LIMIT ?
-- 1: 1585785600000000
-- 2: '2020-04-02T00:00:00Z'
-- 3: '$."attrs"."colour"[0].object'
-- 4: '$."attrs"."colour"'
-- 5: 1585785600000000
-- 6: '2020-04-02T00:00:00Z'
-- 7: 21
