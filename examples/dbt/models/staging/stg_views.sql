-- The latest revision of each view.
select *, "time" as happened_at, cast(time_spent as double) / 1e9 as time_spent_seconds,
       cast(largest_contentful_paint as double) / 1e9 as lcp_seconds,
       cast(interaction_to_next_paint as double) / 1e9 as inp_seconds,
       concat_ws('/', app_id, session_id, session_part) as session_key,
       concat_ws('/', app_id, session_id, session_part, view_id) as view_key
from {{ source('lake', 'views') }}
where dt >= '{{ var("since") }}'
qualify row_number() over (partition by app_id, session_id, session_part, view_id, dt order by revision desc) = 1
