SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
  AND (s0 BETWEEN ? AND ? OR (s0 = x'' AND EXISTS (SELECT 1 FROM json_each(doc, ?) AS i0, json_each(TARGET(i0.value)) AS v WHERE (typeof(v.key) <> 'text' AND (v.type IN ('integer', 'real') AND v.atom BETWEEN ? AND ?)))))
ORDER BY key
LIMIT ?
-- 1: 1
-- 2: 2
-- 3: '$."attrs"."level"'
-- 4: 1
-- 5: 2
-- 6: 21
