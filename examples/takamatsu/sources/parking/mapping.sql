select 'urn:ngsi-ld:OffStreetParking:' || "#property"   as id,
       'OffStreetParking'                               as type,
       name                                             as name,
       address                                          as address,
       point(longitude, latitude)                       as "location.point",
       "availableDate"                                  as "availableDays",
       "startTime" || '–' || "endTime"                  as "openingHours",
       "referenceObject"                                as "seeAlso"
from source
