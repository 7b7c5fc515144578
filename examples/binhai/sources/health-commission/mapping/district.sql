-- The 16 districts, by their codes. The pseudo-districts are in city.sql, the other provinces out of scope.
select 'urn:ngsi-ld:EpidemicSituation:'
         || case when provinceCode = '120000' then cityCode
                 else reject('out of scope: another province') end   as id,
       'EpidemicSituation'                                           as type,
       cast(confirmed as bigint)                                     as "confirmedCases",
       cast(cured as bigint)                                         as "curedCases",
       cast(dead as bigint)                                          as deaths,
       'urn:ngsi-ld:AdministrativeArea:' || cityCode                 as "refArea.object",
       local_time(date)                                              as "observedAt"
from source
where provinceCode is distinct from '120000' or regexp_full_match(cityCode, '\d{6}')
