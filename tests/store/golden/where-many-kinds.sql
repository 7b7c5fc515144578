SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
  AND ((s0 > ? AND s0 < '') OR (s0 = x'' AND EXISTS (SELECT 1 FROM json_each(doc, ?) AS i0, json_each(TARGET(i0.value)) AS v WHERE (i0.value -> '$.object' IS NULL AND i0.value -> '$.objectList' IS NULL AND (typeof(v.key) <> 'text' AND (v.type IN ('integer', 'real') AND v.atom > ?))))))
UNION ALL
SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 3298534883328 AND key < 4398046511104
  AND ((s5 > ? AND s5 < '') OR (s5 = x'' AND EXISTS (SELECT 1 FROM json_each(doc, ?) AS i0, json_each(TARGET(i0.value)) AS v WHERE (i0.value -> '$.object' IS NULL AND i0.value -> '$.objectList' IS NULL AND (typeof(v.key) <> 'text' AND (v.type IN ('integer', 'real') AND v.atom > ?))))))
UNION ALL
SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 4398046511104 AND key < 5497558138880
  AND EXISTS (SELECT 1 FROM json_each(doc, ?) AS i0, json_each(TARGET(i0.value)) AS v WHERE (i0.value -> '$.object' IS NULL AND i0.value -> '$.objectList' IS NULL AND (typeof(v.key) <> 'text' AND (v.type IN ('integer', 'real') AND v.atom > ?))))
ORDER BY key
LIMIT ?
-- 1: 0.5
-- 2: '$."attrs"."level"'
-- 3: 0.5
-- 4: 0.5
-- 5: '$."attrs"."level"'
-- 6: 0.5
-- 7: '$."attrs"."level"'
-- 8: 0.5
-- 9: 21
