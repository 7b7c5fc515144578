-- Names are matched exactly and untrimmed: ' 淮河道' is a ghost, '淮河道' is station 1019A. NaN and — say nothing.
-- What stands in no register is a reject; what failed an expectation with leave_out never comes here.
select 'urn:ngsi-ld:AirQualityObserved:'
         || case when n.code is null then reject('unknown station')
                 else n.code end                                      as id,
       'AirQualityObserved'                                           as type,
       n.name_now                                                     as name,
       number(nullif(nullif(r."AQI", 'NaN'), '—'))                     as "airQualityIndex",
       number(nullif(nullif(r."PM2.5", 'NaN'), '—'))                   as pm25,
       'GQ'                                                           as "pm25.unitCode",
       number(nullif(nullif(r."PM10", 'NaN'), '—'))                    as pm10,
       'GQ'                                                           as "pm10.unitCode",
       number(nullif(nullif(r."CO", 'NaN'), '—'))                      as co,
       'GP'                                                           as "co.unitCode",
       number(nullif(nullif(r."NO2", 'NaN'), '—'))                     as no2,
       'GQ'                                                           as "no2.unitCode",
       number(nullif(nullif(r."O3_1h", 'NaN'), '—'))                   as o3,
       'GQ'                                                           as "o3.unitCode",
       number(nullif(nullif(r."O3_8h", 'NaN'), '—'))                   as "o3Mean8h",
       'GQ'                                                           as "o3Mean8h.unitCode",
       number(nullif(nullif(r."SO2", 'NaN'), '—'))                     as so2,
       'GQ'                                                           as "so2.unitCode",
       point(s.lon, s.lat)                                            as "location.point",
       'urn:ngsi-ld:Device:' || n.code                                as "refDevice.object",
       'urn:ngsi-ld:AdministrativeArea:' || n.district                as "refArea.object",
       local_time(r."Date", r."Hour")                                 as "observedAt"
from source r
left join names n on n.name_now = r."WatchPoint"
left join stations s on s.code = n.code
