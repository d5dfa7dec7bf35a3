-- No session is lost or counted twice on the way.
select total, counted from (
    select (select count(*) from {{ ref('stg_sessions') }}) as total,
           (select sum(sessions) from {{ ref('sessions_daily') }}) as counted
) where total is distinct from counted
