-- Sessions of each app and day of receipt (UTC). A later run does the last three days again, in which late rows come.
{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key=['dt', 'app_id']) }}
select dt, app_id, count(*) as sessions, count(distinct userid) as users, avg(time_spent_seconds) as avg_seconds,
       sum(time_spent_seconds) as total_seconds, avg(cast(is_bounce as integer)) as bounce_share,
       sum(session_view_count) as views, sum(session_error_count) as errors, sum(frustration_count) as frustrations,
       count(*) filter (where session_has_replay) as with_replay
from {{ ref('stg_sessions') }}
{% if is_incremental() %}
where dt >= (select max(dt) - interval 3 day from {{ this }})
{% endif %}
group by all
