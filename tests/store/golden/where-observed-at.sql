SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
  AND EXISTS (SELECT 1 FROM json_each(doc, ?) AS i0, json_each(i0.value -> ?) AS v WHERE (typeof(v.key) <> 'text' AND (v.type = 'text' AND coalesce(instant(v.atom) >= ?, v.atom >= ?))))
ORDER BY key
LIMIT ?
-- 1: '$."attrs"."level"'
-- 2: '$."observedAt"'
-- 3: 1585785600000000
-- 4: '2020-04-02T00:00:00Z'
-- 5: 21
