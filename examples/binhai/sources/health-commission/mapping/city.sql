-- Tianjin as a whole: its own row of the day, and what its pseudo-districts count.
select 'urn:ngsi-ld:EpidemicSituation:120000'                                 as id,
       'EpidemicSituation'                                                    as type,
       max(cast(confirmed as bigint)) filter (city is null)                   as "confirmedCases",
       max(cast(cured as bigint)) filter (city is null)                       as "curedCases",
       max(cast(dead as bigint)) filter (city is null)                        as deaths,
       sum(cast(confirmed as bigint)) filter (starts_with(city, '境外输入'))  as "importedCases",
       sum(cast(confirmed as bigint)) filter (city = '外地来津')              as "nonResidentCases",
       sum(cast(confirmed as bigint)) filter (city = '未公布来源')            as "unlocatedCases",
       'urn:ngsi-ld:AdministrativeArea:120000'                                as "refArea.object",
       local_time(date)                                                       as "observedAt"
from source
where provinceCode = '120000'
group by date
