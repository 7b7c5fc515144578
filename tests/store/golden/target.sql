coalesce(x -> '$.value."@value"',
  x -> '$.value',
  x -> '$.object', full_names(x -> '$.vocab'),
  x -> '$.json',
  x -> '$.valueList',
  iif(json_type(x, '$.languageMap') = 'object', (SELECT json_group_array(t.atom) FROM json_tree(x, '$.languageMap') AS t WHERE t.atom IS NOT NULL), NULL),
  iif(json_type(x, '$.objectList') = 'array', (SELECT json_group_array(t.value ->> '$.object') FROM json_each(x, '$.objectList') AS t), NULL))
