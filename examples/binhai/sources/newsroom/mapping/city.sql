-- Tianjin as a whole: every reported case, and those of the pseudo-districts.
with days as (
  select local_time("报道时间") as day,
         sum(coalesce(number("新增确诊"), 0)) as confirmed,
         sum(coalesce(number("新增出院"), 0)) as cured,
         sum(coalesce(number("新增死亡"), 0)) as dead,
         sum(coalesce(number("新增确诊"), 0)) filter (starts_with("城市", '境外输入')) as imported,
         sum(coalesce(number("新增确诊"), 0)) filter ("城市" = '外地来津') as visiting,
         sum(coalesce(number("新增确诊"), 0)) filter ("城市" = '地市明细不详') as unlocated
  from source
  where "省份" = '天津'
  group by "报道时间"
)
select 'urn:ngsi-ld:EpidemicSituation:120000'                as id,
       'EpidemicSituation'                                   as type,
       cast(sum(confirmed) over so_far as bigint)            as "confirmedCases",
       cast(sum(cured) over so_far as bigint)                as "curedCases",
       cast(sum(dead) over so_far as bigint)                 as deaths,
       cast(sum(imported) over so_far as bigint)             as "importedCases",
       cast(sum(visiting) over so_far as bigint)             as "nonResidentCases",
       cast(sum(unlocated) over so_far as bigint)            as "unlocatedCases",
       'urn:ngsi-ld:AdministrativeArea:120000'               as "refArea.object",
       day                                                   as "observedAt"
from days
window so_far as (order by day rows unbounded preceding)
