select 'urn:ngsi-ld:Defibrillator:' || "#property"   as id,
       'Defibrillator'                               as type,
       name                                          as name,
       address                                       as address,
       point(longitude, latitude)                    as "location.point",
       "installationPosition"                        as "installationPosition",
       "availableDate"                               as "availableDays",
       "startTime"                                   as "availableFrom",
       "endTime"                                     as "availableUntil",
       case when "equipmentForChildren" = '有' then true end   as "equipmentForChildren"
from source
