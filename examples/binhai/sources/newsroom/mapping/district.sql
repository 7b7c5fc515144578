-- Daily increments become running totals; a day's rows of one district are added first.
with days as (
  select d.code, n."报道时间" as said, local_time(n."报道时间") as day,
         sum(coalesce(number(n."新增确诊"), 0)) as confirmed,
         sum(coalesce(number(n."新增出院"), 0)) as cured,
         sum(coalesce(number(n."新增死亡"), 0)) as dead
  from source n join districts d on d.name = n."城市"
  where n."省份" = '天津'
  group by d.code, n."报道时间"
)
select 'urn:ngsi-ld:EpidemicSituation:' || code                       as id,
       'EpidemicSituation'                                            as type,
       cast(sum(confirmed) over so_far as bigint)                     as "confirmedCases",
       cast(sum(cured) over so_far as bigint)                         as "curedCases",
       cast(sum(dead) over so_far as bigint)                          as deaths,
       'urn:ngsi-ld:AdministrativeArea:' || code                      as "refArea.object",
       day                                                            as "observedAt"
from days
window so_far as (partition by code order by day rows unbounded preceding)
