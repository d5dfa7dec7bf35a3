-- One row an error; errors are never revised.
select *, "time" as happened_at, concat_ws('/', app_id, session_id, session_part) as session_key
from {{ source('lake', 'errors') }}
where dt >= '{{ var("since") }}'
