-- Each row becomes an entity; each column's name says what it is. See docs/mapping.md of Landbridge.
select 'urn:ngsi-ld:Place:' || code              as id,
       'Place'                                   as type,
       name                                      as name,
       point(longitude, latitude)                as "location.point",
       cast(visitors as bigint)                  as visitors,
       local_time(counted)                       as "visitors.observedAt"
from source
