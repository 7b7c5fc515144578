-- When a trip is expected at a stop.
select 'urn:ngsi-ld:ArrivalEstimation:' || trip_id || ':' || stop_sequence       as id,
       'ArrivalEstimation'                                                       as type,
       'Route ' || route_id || ', stop ' || stop_id                              as name,
       'urn:ngsi-ld:GtfsStop:' || stop_id                                        as "hasStop.object",
       'urn:ngsi-ld:GtfsRoute:' || route_id                                      as "hasRoute.object",
       'urn:ngsi-ld:Vehicle:' || vehicle_id                                      as "hasVehicle.object",
       coalesce(arrival_time, departure_time)                                    as "expectedAt",
       timestamp                                                                 as "observedAt"
from trip_updates
where stop_id is not null
