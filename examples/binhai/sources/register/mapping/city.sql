-- Tianjin as a whole: a code of two digits stands for six.
select 'urn:ngsi-ld:AdministrativeArea:' || p.code || '0000'  as id,
       'AdministrativeArea'                                   as type,
       {'zh': p.name, 'en': e.name}                           as "name.languageMap",
       e.given_by                                             as "name.englishGivenBy",
       'municipality'                                         as level
from provinces p
left join english e on e.code = p.code || '0000'
