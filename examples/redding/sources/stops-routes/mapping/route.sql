-- The routes, each with the lines that its trips drive.
select 'urn:ngsi-ld:GtfsRoute:' || route_id                          as id,
       'GtfsRoute'                                                   as type,
       coalesce(nullif(route_long_name, ''), route_short_name)       as name,
       route_short_name                                              as "shortName",
       route_color                                                   as "routeColor",
       driven.lines                                                  as "location.geojson"
from routes
left join (
  select route_id,
         '{"type":"MultiLineString","coordinates":[' || string_agg(line, ',' order by shape_id) || ']}' as lines
  from (select distinct route_id, shape_id from trips) as trip
  join (
    select shape_id,
           '[' || string_agg('[' || shape_pt_lon || ',' || shape_pt_lat || ']', ','
                             order by cast(shape_pt_sequence as integer)) || ']' as line
    from shapes
    group by shape_id
  ) as shape using (shape_id)
  group by route_id
) as driven using (route_id)
