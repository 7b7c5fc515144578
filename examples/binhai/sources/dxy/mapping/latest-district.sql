-- The newest state, nested: a province's districts are a list within it. Its times are milliseconds since 1970.
with areas as (
  select l.updateTime as moment,
         unnest(from_json(l.cities, '[{"locationId":"BIGINT","confirmedCount":"BIGINT","curedCount":"BIGINT","deadCount":"BIGINT"}]')) as area
  from latest l
  where l.provinceName = '天津市'
)
select 'urn:ngsi-ld:EpidemicSituation:' || area.locationId    as id,
       'EpidemicSituation'                                    as type,
       area.confirmedCount                                    as "confirmedCases",
       area.curedCount                                        as "curedCases",
       area.deadCount                                         as deaths,
       'urn:ngsi-ld:AdministrativeArea:' || area.locationId   as "refArea.object",
       to_timestamp(moment / 1000.0)                          as "observedAt"
from areas
where area.locationId > 0
