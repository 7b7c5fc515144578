select 'urn:ngsi-ld:GtfsRoute:' || route_id                          as id,
       'GtfsRoute'                                                   as type,
       coalesce(nullif(route_long_name, ''), route_short_name)       as name,
       route_short_name                                              as "shortName",
       route_color                                                   as "routeColor"
from routes
