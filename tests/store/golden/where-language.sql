SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 2199023255552 AND key < 3298534883328
  AND EXISTS (SELECT 1 FROM json_each(doc, ?) AS i0, json_each(coalesce(i0.value -> ?, i0.value -> ?, i0.value -> ?, NULL)) AS v WHERE (typeof(v.key) <> 'text' AND (v.type = 'text' AND v.atom = ?)))
ORDER BY key
LIMIT ?
-- 1: '$."attrs"."name"'
-- 2: '$."value"."zh"'
-- 3: '$."languageMap"."zh"'
-- 4: '$."json"."zh"'
-- 5: '滨海新区'
-- 6: 21
