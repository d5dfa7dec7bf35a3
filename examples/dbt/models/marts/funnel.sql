-- How many session windows come to each page of `funnel_steps` after the pages before it.
{% set steps = var('funnel_steps') %}
with step_0 as (
    select session_key, min(happened_at) as at from {{ ref('stg_views') }}
    where view_path = '{{ steps[0] }}' group by session_key
)
{% for step in steps[1:] %}
, step_{{ loop.index }} as (
    select session_key, min(happened_at) as at
    from {{ ref('stg_views') }} join step_{{ loop.index0 }} as before using (session_key)
    where view_path = '{{ step }}' and happened_at >= before.at group by session_key
)
{% endfor %}
{% for step in steps %}
select {{ loop.index0 }} as step, '{{ step }}' as page, (select count(*) from step_{{ loop.index0 }}) as sessions
{% if not loop.last %}union all{% endif %}
{% endfor %}
