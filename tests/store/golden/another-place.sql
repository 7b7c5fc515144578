SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
  AND EXISTS (SELECT 1 FROM json_each(doc, ?) AS i WHERE i.value ->> '$.type' = 'GeoProperty' AND shape_relates(?, ?, i.value -> '$.value'))
ORDER BY key
LIMIT ?
-- 1: '$."attrs"."observationSpace"'
-- 2: 'intersects'
-- 3: '{"type":"Polygon","coordinates":[[[117,38],[118,38],[118,39],[117,39],[117,38]]]}'
-- 4: 21
