SELECT key, id, doc, created, modified, version, o0, o1 FROM (
SELECT * FROM (
SELECT key, CASE WHEN s0 = x'' THEN (SELECT CASE v.type WHEN 'true' THEN x'03' WHEN 'false' THEN x'02' WHEN 'array' THEN x'01' WHEN 'object' THEN x'00' ELSE v.atom END FROM json_each(doc, ?) AS i0, json_tree(TARGET(i0.value)) AS v LIMIT 1) ELSE s0 END AS o0, id AS o1
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
)
WHERE ((o0 < ? OR o0 IS NULL) OR (o0 IS ? AND ((o1 > ? OR o1 IS NULL) OR (o1 IS ? AND key > ?))))
ORDER BY o0 IS NULL, o0 DESC, o1 IS NULL, o1, key
LIMIT ?
) JOIN entity USING (key)
ORDER BY o0 IS NULL, o0 DESC, o1 IS NULL, o1, key
-- 1: '$."attrs"."level"'
-- 2: 0.5
-- 3: 0.5
-- 4: 'urn:x'
-- 5: 'urn:x'
-- 6: 1099511627783
-- 7: 21
