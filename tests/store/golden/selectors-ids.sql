SELECT key, id, doc, created, modified, version
FROM entity
WHERE (entity.key IN (SELECT key FROM name WHERE tenant = ? AND id IN (?, ?, ?)) AND (((entity.key >> 40) = ? AND id IN (?)) OR ((entity.key >> 40) = ? AND id IN (?, ?))))
ORDER BY key
LIMIT ?
-- 1: ''
-- 2: 'urn:x:1'
-- 3: 'urn:x:2'
-- 4: 'urn:x:3'
-- 5: 1
-- 6: 'urn:x:1'
-- 7: 2
-- 8: 'urn:x:2'
-- 9: 'urn:x:3'
-- 10: 21
