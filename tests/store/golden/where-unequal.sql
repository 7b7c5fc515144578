SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
  AND ((s1 <> x'' AND NOT (s1 = ?)) OR (s1 = x'' AND EXISTS (SELECT 1 FROM json_each(doc, ?) AS i0 WHERE (TARGET(i0.value) IS NOT NULL AND NOT EXISTS (SELECT 1 FROM json_each(TARGET(i0.value)) AS v WHERE (typeof(v.key) <> 'text' AND (v.type = 'text' AND v.atom = ?)))))))
ORDER BY key
LIMIT ?
-- 1: 'red'
-- 2: '$."attrs"."colour"'
-- 3: 'red'
-- 4: 21
