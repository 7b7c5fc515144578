select 'urn:ngsi-ld:GtfsStop:' || stop_id   as id,
       'GtfsStop'                           as type,
       stop_name                            as name,
       stop_id                              as code,
       point(stop_lon, stop_lat)            as "location.point"
from source
