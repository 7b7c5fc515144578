SELECT key, id, doc, created, modified, version, o0 FROM (
SELECT * FROM (
SELECT key, collated(CASE WHEN s1 = x'' THEN (SELECT CASE v.type WHEN 'true' THEN x'03' WHEN 'false' THEN x'02' WHEN 'array' THEN x'01' WHEN 'object' THEN x'00' ELSE v.atom END FROM json_each(doc, ?) AS i0, json_tree(TARGET(i0.value)) AS v LIMIT 1) ELSE s1 END, ?) AS o0
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
)
WHERE 1
ORDER BY o0 IS NULL, o0, key
LIMIT ?
) JOIN entity USING (key)
ORDER BY o0 IS NULL, o0, key
-- 1: '$."attrs"."colour"'
-- 2: 'de-u-co-phonebk'
-- 3: 21
