-- Tianjin as a whole in the newest state, and its pseudo-districts (their locationId is 0 or below).
with city as (
  select l.updateTime as moment, l.confirmedCount, l.curedCount, l.deadCount,
         from_json(l.cities, '[{"cityName":"VARCHAR","confirmedCount":"BIGINT"}]') as areas,
         case when l.provinceName = '天津市' then '120000' else reject('out of scope: another province') end as code
  from latest l
)
select 'urn:ngsi-ld:EpidemicSituation:' || code                                                as id,
       'EpidemicSituation'                                                                     as type,
       confirmedCount                                                                          as "confirmedCases",
       curedCount                                                                              as "curedCases",
       deadCount                                                                               as deaths,
       list_filter(areas, lambda a: a.cityName = '境外输入')[1].confirmedCount                 as "importedCases",
       list_filter(areas, lambda a: a.cityName = '外地来津')[1].confirmedCount                 as "nonResidentCases",
       'urn:ngsi-ld:AdministrativeArea:120000'                                                 as "refArea.object",
       to_timestamp(moment / 1000.0)                                                           as "observedAt"
from city
