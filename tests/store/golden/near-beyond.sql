SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
  AND ((lon IS NOT NULL AND point_metres(?, lon, lat) > ?) OR (lon IS NULL AND EXISTS (SELECT 1 FROM json_each(doc, ?) AS i WHERE i.value ->> '$.type' = 'GeoProperty' AND shape_metres(?, i.value -> '$.value') > ?)))
ORDER BY key
LIMIT ?
-- 1: '{"type":"Point","coordinates":[117.7,39.0]}'
-- 2: 500.0
-- 3: '$."attrs"."location"'
-- 4: '{"type":"Point","coordinates":[117.7,39.0]}'
-- 5: 500.0
-- 6: 21
