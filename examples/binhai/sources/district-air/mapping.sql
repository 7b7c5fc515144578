-- The district's PM2.5: the mean of its three stations at the newest hour that all three have.
select 'urn:ngsi-ld:AdministrativeArea:120116'   as id,
       'AdministrativeArea'                      as type,
       round(avg(value), 1)                      as pm25,
       'GQ'                                      as "pm25.unitCode",
       observedAt                                as "observedAt"
from source
where attribute = 'pm25'
  and id in ('urn:ngsi-ld:AirQualityObserved:1023A', 'urn:ngsi-ld:AirQualityObserved:1024A', 'urn:ngsi-ld:AirQualityObserved:1026A')
group by observedAt
having count(distinct id) = 3
order by observedAt desc
limit 1
