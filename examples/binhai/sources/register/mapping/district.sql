-- The 16 districts. Two have no English name in any source: those are ours, and name.englishGivenBy says so.
select 'urn:ngsi-ld:AdministrativeArea:' || a.code                     as id,
       'AdministrativeArea'                                            as type,
       {'zh': a.name, 'en': e.name}                                    as "name.languageMap",
       e.given_by                                                      as "name.englishGivenBy",
       'district'                                                      as level,
       'urn:ngsi-ld:AdministrativeArea:' || a.provinceCode || '0000'   as "isPartOf.object"
from areas a
left join english e on e.code = a.code
