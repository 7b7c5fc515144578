-- The row number is no key: it moves from edition to edition. The crosswalk names the place behind each spelling.
select 'urn:ngsi-ld:EvacuationPlace:'
         || case when n.code is null then reject('unknown place: its name is not in names.csv')
                 else n.code end                        as id,
       'EvacuationPlace'                                as type,
       p.name                                           as name,
       p.address                                        as address,
       point(p.longitude, p.latitude)                   as "location.point",
       number(p.capacity)                               as capacity,
       'IE'                                             as "capacity.unitCode",
       number(p.elevation)                              as elevation,
       'MTR'                                            as "elevation.unitCode",
       case trim(p."flood_L1") when '○' then 'yes' when '△' then 'upper floors' when '×' then 'no' end         as "useInFlood",
       case trim(p."stormSurge") when '○' then 'yes' when '△' then 'upper floors' when '×' then 'no' end       as "useInStormSurge",
       case trim(p."tunami") when '○' then 'yes' when '△' then 'upper floors' when '×' then 'no' end           as "useInTsunami",
       case trim(p."earthquake") when '○' then 'yes' when '△' then 'partly' when '×' then 'no' end             as "useInEarthquake",
       trim(p."evacuationSpace") = '○'                  as "isShelter",
       p.jurisdiction                                   as "inCharge"
from source p left join names n on n.name = p.name
