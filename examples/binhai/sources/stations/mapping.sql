-- The stations as devices, with the names of the register (the hourly files use others).
select 'urn:ngsi-ld:Device:' || code                     as id,
       'Device'                                          as type,
       {'zh': name, 'en': name_en}                       as "name.languageMap",
       ['sensor']                                        as category,
       ['airQuality']                                    as "controlledProperty",
       point(lon, lat)                                   as "location.point",
       origin                                            as "location.origin"
from source
