SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 4398046511104 AND key < 5497558138880
  AND EXISTS (SELECT 1 FROM json_each(doc, ?) AS i0, json_each(TARGET(i0.value)) AS v WHERE (typeof(v.key) <> 'text' AND (v.type IN ('integer', 'real') AND v.atom = ?)))
ORDER BY key
LIMIT ?
-- 1: '$."attrs"."level"'
-- 2: 1
-- 3: 21
