SELECT key, id, doc, created, modified, version, o0, o1 FROM (
SELECT * FROM (
SELECT key, CASE WHEN s0 = x'' THEN (SELECT CASE v.type WHEN 'true' THEN x'03' WHEN 'false' THEN x'02' WHEN 'array' THEN x'01' WHEN 'object' THEN x'00' ELSE v.atom END FROM json_each(doc, ?) AS i0, json_tree(TARGET(i0.value)) AS v LIMIT 1) ELSE s0 END AS o0, id AS o1
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
UNION ALL
SELECT key, NULL AS o0, id AS o1
FROM entity
WHERE key >= 2199023255552 AND key < 3298534883328
)
WHERE 1
ORDER BY o0 IS NULL, o0 DESC, o1 IS NULL, o1, key
LIMIT ?
) JOIN entity USING (key)
ORDER BY o0 IS NULL, o0 DESC, o1 IS NULL, o1, key
-- 1: '$."attrs"."level"'
-- 2: 21
