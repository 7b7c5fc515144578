SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
  AND (entity.key IN (SELECT key FROM entity WHERE cell BETWEEN ? AND ? UNION ALL SELECT key FROM entity WHERE cell BETWEEN ? AND ? UNION ALL SELECT key FROM shape WHERE maxx >= ? AND minx <= ? AND maxy >= ? AND miny <= ?) AND ((lon BETWEEN ? AND ? AND lat BETWEEN ? AND ? AND point_relates(?, ?, lon, lat)) OR (lon IS NULL AND EXISTS (SELECT 1 FROM json_each(doc, ?) AS i WHERE i.value ->> '$.type' = 'GeoProperty' AND shape_relates(?, ?, i.value -> '$.value')))))
ORDER BY key
LIMIT ?
-- 1: 3948319867064549376
-- 2: 3948390235808727039
-- 3: 3948460604552904704
-- 4: 3948495788924993535
-- 5: 117
-- 6: 118
-- 7: 38
-- 8: 39
-- 9: 117
-- 10: 118
-- 11: 38
-- 12: 39
-- 13: 'within'
-- 14: '{"type":"Polygon","coordinates":[[[117,38],[118,38],[118,39],[117,39],[117,38]]]}'
-- 15: '$."attrs"."location"'
-- 16: 'within'
-- 17: '{"type":"Polygon","coordinates":[[[117,38],[118,38],[118,39],[117,39],[117,38]]]}'
-- 18: 21
