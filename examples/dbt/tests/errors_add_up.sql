select total, counted from (
    select (select count(*) from {{ ref('stg_errors') }}) as total,
           (select sum(errors) from {{ ref('errors_by_release') }}) as counted
) where total is distinct from counted
