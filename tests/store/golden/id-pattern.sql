SELECT key, id, doc, created, modified, version
FROM entity
WHERE key >= 1099511627776 AND key < 2199023255552
  AND regexp(?, id)
ORDER BY key
LIMIT ?
-- 1: '^urn:.*7$'
-- 2: 21
