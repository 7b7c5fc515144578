-- The outlines agree with those of a Chinese map service, so they are probably in GCJ-02: converted to WGS 84.
-- Five of them touch or cross themselves, by the coarse grid of the file: mended.
select 'urn:ngsi-ld:AdministrativeArea:' || adcode   as id,
       'AdministrativeArea'                          as type,
       mend(wgs84_from_gcj02(geometry))              as "location.geojson",
       'GCJ-02'                                      as "location.convertedFrom"
from source
