-- The vehicles: 21 of the 22 are on no trip at this moment, so the route is there for one only.
select 'urn:ngsi-ld:Vehicle:' || vehicle_id                              as id,
       'Vehicle'                                                         as type,
       'Bus ' || vehicle_label                                           as name,
       'bus'                                                             as "vehicleType",
       point(longitude, latitude)                                        as "location.point",
       cast(speed as double)                                             as speed,
       'MTS'                                                             as "speed.unitCode",
       cast(bearing as double)                                           as heading,
       'DD'                                                              as "heading.unitCode",
       'urn:ngsi-ld:GtfsRoute:' || route_id                              as "hasRoute.object",
       timestamp                                                         as "observedAt"
from source
