SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
  AND ((s1 <> x'' AND NOT ((s1 = ? OR s1 BETWEEN ? AND ?) OR s1 IN (?, ?))) OR (s1 = x'' AND EXISTS (SELECT 1 FROM json_each(doc, ?) AS i0 WHERE (TARGET(i0.value) IS NOT NULL AND NOT EXISTS (SELECT 1 FROM json_each(TARGET(i0.value)) AS v WHERE (typeof(v.key) <> 'text' AND ((v.type IN ('integer', 'real') AND (v.atom = ? OR v.atom BETWEEN ? AND ?)) OR (v.type = 'text' AND v.atom IN (?, ?)))))))))
ORDER BY key
LIMIT ?
-- 1: 3
-- 2: 7
-- 3: 9
-- 4: 'red'
-- 5: 'blue'
-- 6: '$."attrs"."colour"'
-- 7: 3
-- 8: 7
-- 9: 9
-- 10: 'red'
-- 11: 'blue'
-- 12: 21
