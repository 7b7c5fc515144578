SELECT key, id, doc, created, modified, version FROM entity WHERE 0
