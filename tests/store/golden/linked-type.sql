SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
  AND (s2 IS NOT NULL AND EXISTS (SELECT 1 FROM json_each(entity.doc, ?) AS r1, json_each(coalesce(r1.value -> '$.object', iif(json_type(r1.value, '$.objectList') = 'array', (SELECT json_group_array(t.value ->> '$.object') FROM json_each(r1.value, '$.objectList') AS t), NULL))) AS o1 WHERE EXISTS (SELECT 1 FROM name AS n1, entity AS e1 WHERE n1.tenant = ? AND n1.id = o1.atom AND e1.key = n1.key AND ((e1.key >> 40) = 2 AND (s0 = ? OR (s0 = x'' AND EXISTS (SELECT 1 FROM json_each(doc, ?) AS i0, json_each(TARGET(i0.value)) AS v WHERE (typeof(v.key) <> 'text' AND (v.type = 'text' AND v.atom = ?)))))))))
ORDER BY key
LIMIT ?
-- 1: '$."attrs"."refArea"'
-- 2: ''
-- 3: 'Hebei'
-- 4: '$."attrs"."name"'
-- 5: 'Hebei'
-- 6: 21
