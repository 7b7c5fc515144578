SELECT key, id, doc, created, modified, version, o0, o1 FROM (
SELECT * FROM (
SELECT key, CASE WHEN lon IS NULL THEN (SELECT shape_metres(?, i.value -> '$.value') FROM json_each(doc, ?) AS i WHERE i.value ->> '$.type' = 'GeoProperty' LIMIT 1) ELSE point_metres(?, lon, lat) END AS o0, CASE WHEN s3 = x'' THEN (SELECT CASE v.type WHEN 'true' THEN x'03' WHEN 'false' THEN x'02' WHEN 'array' THEN x'01' WHEN 'object' THEN x'00' ELSE v.atom END FROM json_each(doc, ?) AS i0, json_tree(TARGET(i0.value)) AS v LIMIT 1) ELSE s3 END AS o1
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
)
WHERE 1
ORDER BY o0 IS NULL, o0 DESC, o1 IS NULL, o1, key
LIMIT ?
) JOIN entity USING (key)
ORDER BY o0 IS NULL, o0 DESC, o1 IS NULL, o1, key
-- 1: '{"type":"Point","coordinates":[117.7,39.0]}'
-- 2: '$."attrs"."location"'
-- 3: '{"type":"Point","coordinates":[117.7,39.0]}'
-- 4: '$."attrs"."location"'
-- 5: 21
