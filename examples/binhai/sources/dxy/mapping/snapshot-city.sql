-- The province's own figures stand on each of its rows; the pseudo-districts are rows of their own.
select 'urn:ngsi-ld:EpidemicSituation:120000'                                                    as id,
       'EpidemicSituation'                                                                       as type,
       cast(max(number(province_confirmedCount)) as bigint)                                      as "confirmedCases",
       cast(max(number(province_curedCount)) as bigint)                                          as "curedCases",
       cast(max(number(province_deadCount)) as bigint)                                           as deaths,
       cast(sum(number(city_confirmedCount)) filter (starts_with(cityName, '外地来津')) as bigint)  as "nonResidentCases",
       cast(sum(number(city_confirmedCount)) filter (starts_with(cityName, '待明确')) as bigint)    as "unlocatedCases",
       'urn:ngsi-ld:AdministrativeArea:120000'                                                   as "refArea.object",
       local_time(updateTime)                                                                    as "observedAt"
from snapshots
where provinceName = '天津市'
group by updateTime
