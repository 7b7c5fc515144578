select 'urn:ngsi-ld:FireStation:' || "#property"   as id,
       'FireStation'                               as type,
       name                                        as name,
       address                                     as address,
       point(longitude, latitude)                  as "location.point",
       "referenceObject"                           as "seeAlso"
from source
