SELECT key, id, doc, created, modified, version
FROM entity
WHERE (entity.key IN (SELECT key FROM name WHERE tenant = ? AND id IN (?, ?)) AND (entity.key >> 40) = ?)
ORDER BY key
LIMIT ?
-- 1: ''
-- 2: 'urn:x:1'
-- 3: 'urn:x:2'
-- 4: 1
-- 5: 21
