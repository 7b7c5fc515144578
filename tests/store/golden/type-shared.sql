SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 3298534883328 AND key < 4398046511104
UNION ALL
SELECT key, id, doc, created, modified, version
FROM entity
WHERE (entity.key IN (SELECT key FROM extra_type WHERE kind IN (?)) AND (entity.key >> 40) NOT IN (?) AND ((entity.key >> 40) = ? OR EXISTS (SELECT 1 FROM extra_type AS x WHERE x.kind = ? AND x.key = entity.key)))
ORDER BY key
LIMIT ?
-- 1: 3
-- 2: 3
-- 3: 3
-- 4: 3
-- 5: 21
