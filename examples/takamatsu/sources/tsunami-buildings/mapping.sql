select 'urn:ngsi-ld:EvacuationPlace:'
         || case when n.code is null then reject('unknown place: its name is not in names.csv')
                 else n.code end                        as id,
       'EvacuationPlace'                                as type,
       t.name                                           as name,
       t.address                                        as address,
       point(t.longitude, t.latitude)                   as "location.point",
       number(t.capacity)                               as capacity,
       'IE'                                             as "capacity.unitCode",
       t.shelter                                        as "refugeFloors"
from source t left join names n on n.name = t.name
