-- What the other mappings pass over, with the reason: nothing is dropped silently.
select case when "省份" in ('北京', '河北') then reject('out of scope: another province')
            else reject('no province: a note between the rows') end   as id,
       'EpidemicSituation'                                            as type
from source
where "省份" is distinct from '天津'
