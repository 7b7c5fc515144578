-- Districts by name: the codes are numbers with a point, and names drift (宁河, 宁河区).
select 'urn:ngsi-ld:EpidemicSituation:' || case when s.provinceName = '天津市' then d.code
                                                else reject('out of scope: another province') end   as id,
       'EpidemicSituation'                                         as type,
       cast(number(s.city_confirmedCount) as bigint)               as "confirmedCases",
       cast(number(s.city_curedCount) as bigint)                   as "curedCases",
       cast(number(s.city_deadCount) as bigint)                    as deaths,
       'urn:ngsi-ld:AdministrativeArea:' || d.code                 as "refArea.object",
       local_time(s.updateTime)                                    as "observedAt"
from snapshots s left join districts d on d.name = s.cityName
where s.provinceName is distinct from '天津市' or d.code is not null
