SELECT key, id, doc, created, modified, version
FROM entity
WHERE (entity.key IN (SELECT key FROM extra_type WHERE kind IN (?)) AND ((entity.key >> 40) = ? AND ((entity.key >> 40) = ? OR EXISTS (SELECT 1 FROM extra_type AS x WHERE x.kind = ? AND x.key = entity.key))))
ORDER BY key
LIMIT ?
-- 1: 3
-- 2: 1
-- 3: 3
-- 4: 3
-- 5: 21
