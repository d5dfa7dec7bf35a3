-- The latest revision of each session window. `dt` is in the window: a filter on it reads those days only.
select *, cast(time_spent as double) / 1e9 as time_spent_seconds, "start" as started_at, "end" as ended_at,
       concat_ws('/', app_id, session_id, session_part) as session_key
from {{ source('lake', 'sessions') }}
where dt >= '{{ var("since") }}'
qualify row_number() over (partition by app_id, session_id, session_part, dt order by revision desc) = 1
