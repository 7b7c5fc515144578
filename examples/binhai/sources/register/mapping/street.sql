-- Streets and towns, each within its district. The register has their Chinese names only.
select 'urn:ngsi-ld:AdministrativeArea:' || s.code       as id,
       'AdministrativeArea'                              as type,
       {'zh': s.name}                                    as "name.languageMap",
       'street'                                          as level,
       'urn:ngsi-ld:AdministrativeArea:' || s.areaCode   as "isPartOf.object"
from streets s
