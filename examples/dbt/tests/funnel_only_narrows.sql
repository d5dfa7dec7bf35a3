select * from {{ ref('funnel') }} as later join {{ ref('funnel') }} as earlier on earlier.step = later.step - 1
where later.sessions > earlier.sessions
