-- Some numbers were given again to other hospitals: number and opening date together are the key.
select 'urn:ngsi-ld:Hospital:' || regexp_extract(h."#property", '\d+$')
         || ':' || strftime(local_time(h."openingDate") + interval 9 hour, '%Y%m%d')   as id,
       'Hospital'                                                 as type,
       trim(h.name, ' 　')                                        as name,
       h.address                                                  as address,
       case when number(h.longitude) <> 0 then point(h.longitude, h.latitude) end   as "location.point",
       case h."alternativeName" when '病院' then 'hospital' when '有床診療所' then 'clinic with beds'
                                when '無床診療所' then 'clinic' when '歯科' then 'dentist' end       as category,
       number(regexp_extract(h."numberOfBeds", '^\d+'))           as "numberOfBeds",
       case when h."numberOfBeds" like '%休床中%' then 'closed for now' end   as "numberOfBeds.state",
       string_split(h."medicalSubjects", '、')                     as "medicalSubjects",
       strftime(local_time(h."openingDate") + interval 9 hour, '%Y-%m-%d')          as "openingDate"
from source h
