-- Where sessions split: a gap of 15 minutes or a length of 4 hours, by window functions over activities in order.

create table all_segments as
with facts as (
    select family, received_ms, text, json_extract_string(text, ['$.app.id', '$.application.id', '$.session.id',
        '$.view.id', '$.index_in_view', '$.start', '$.end', '$.has_full_snapshot', '$.sdk.name', '$.sdk.version']) as f,
        from_json(json_extract(text, '$.records'), '[{"type":"INTEGER","timestamp":"DOUBLE","data":"JSON"}]') as records
    from segments
), sdk_segments as (
    select family, received_ms, coalesce(f[1], f[2]) as app_id, f[3] as session_id, f[4] as view_id,
        f[5]::bigint as index_in_view, f[6]::bigint as start_ms, f[7]::bigint as end_ms, f[8] = 'true' as opens,
        case family when 'guance' then f[9] else 'datadog-browser-rum' end as sdk_name,
        case family when 'guance' then f[10] else '' end as sdk_version, records, strlen(text) as raw_bytes,
        concat_ws('/', 'segment', view_id, index_in_view, start_ms) as ident
    from facts
), rrweb_facts as (
    select received_ms, text, json_extract_string(text, ['$.app_id', '$.api_key', '$.session_id',
        '$.properties."$session_id"', '$.window_id', '$.properties."$window_id"', '$.properties."$lib"',
        '$.properties."$lib_version"', '$.properties.token']) as f,
        from_json(coalesce(json_extract(text, '$.events'), json_extract(text, '$.properties."$snapshot_data"')),
            '[{"type":"INTEGER","timestamp":"DOUBLE","data":"JSON"}]') as records
    from messages
    where (text::json->'events') is not null or (text::json->>'event') = '$snapshot'
), rrweb_segments as (
    select 'rrweb' as family, received_ms, coalesce(f[1], f[9], f[2], 'unknown') as app_id, coalesce(f[3], f[4]) as session_id,
        coalesce(f[5], f[6], '0') as view_id, 0 as index_in_view,
        list_min(list_transform(records, lambda r: r.timestamp))::bigint as start_ms,
        list_max(list_transform(records, lambda r: r.timestamp))::bigint as end_ms, true as opens,
        coalesce(f[7], 'rrweb') as sdk_name, coalesce(f[8], '') as sdk_version, records, strlen(text) as raw_bytes,
        concat_ws('/', 'segment', view_id, start_ms, text) as ident
    from rrweb_facts
)
select * from sdk_segments union all by name select * from rrweb_segments;

create table copies as
select app_id, session_id, ident, begin_us, end_us, received_ms, opens, ends, false as is_segment from lines
union all by name
select app_id, session_id, ident, start_ms * 1000 as begin_us, end_ms * 1000 as end_us, received_ms, opens,
    false as ends, true as is_segment from all_segments;

create table items as
select app_id, session_id, ident, min(begin_us) as begin_us, max(end_us) as end_us, min(received_ms) as received_ms,
    count(*) as copies, bool_or(opens) as opens, bool_or(ends) as ends, bool_or(is_segment) as is_segment,
    case when bool_or(is_segment) then min(begin_us) else max(end_us) end as instant_us
from copies group by all;

create macro gap_us() as 900000000;
create macro cap_us() as 14400000000;

-- What the SDK itself calls an end is no activity. If there is nothing else, the first end has to stand for the session.
create table activities as
select *, row_number() over (
        partition by app_id, session_id order by instant_us, not opens, begin_us, ident) as place,
    case when ends then begin_us
        when is_segment and end_us - begin_us >= gap_us() then begin_us else end_us end as active_us
from items
qualify not ends or (bool_and(ends) over (partition by app_id, session_id)
    and row_number() over (partition by app_id, session_id order by instant_us, begin_us, ident) = 1);

-- One step finds, for each session, the activity that opens the window after the last one found.
create table windows as
with recursive opened as (
    select app_id, session_id, 0 as part, 1::bigint as first_place, -1::bigint as over_before_us, -1::bigint as opened_us
    from activities group by all
    union all
    select app_id, session_id, part + 1, first_place, over_us, begin_us
    from (
        select app_id, session_id, part, place as first_place, over_us, begin_us
        from (
            select *, least(coalesce(end_at_break_us, end_before_us) + gap_us(), start_before_us + cap_us()) as over_us
            from (
                -- After the first pause, the window's end no longer moves: what follows is its tail.
                select *, first_value(end_before_us) over (
                    partition by app_id, session_id, part, breaks_before > 0 order by place) as first_end_us,
                    case when breaks_before > 0 then first_end_us end as end_at_break_us
                from (
                    select *, sum(is_break::int) over (
                        partition by app_id, session_id, part order by place) as breaks_before
                    from (
                        select *, instant_us >= end_before_us + gap_us() as is_break
                        from (
                            select o.app_id, o.session_id, o.part, a.place, a.begin_us, a.instant_us, a.opens,
                                min(a.begin_us) over before as start_before_us,
                                least(max(a.active_us) over before, min(a.begin_us) over before + cap_us() - 1)
                                    as end_before_us
                            from opened o join activities a on a.app_id = o.app_id and a.session_id = o.session_id
                                and a.place >= o.first_place and (o.part = 0 or a.begin_us >= o.over_before_us)
                            window before as (partition by o.app_id, o.session_id, o.part order by a.place
                                rows between unbounded preceding and 1 preceding)
                        ) where end_before_us is not null
                    )
                )
            )
        ) where opens and begin_us >= over_us
        qualify row_number() over (partition by app_id, session_id, part order by place) = 1
    )
)
select * from opened;

-- Everything belongs to the last window that was open when it came up and that it did not begin too early for.
create table members as
select i.*, a.place, a.active_us, w.part
from items i left join activities a using (app_id, session_id, ident)
join windows w on w.app_id = i.app_id and w.session_id = i.session_id
    and (w.part = 0 or (i.begin_us >= w.over_before_us and coalesce(a.place >= w.first_place, true)))
qualify row_number() over (partition by i.app_id, i.session_id, i.ident order by w.part desc) = 1;

create table spans as
with ordered as (
    select m.*, n.first_place as next_place, n.opened_us as next_opened_us,
        min(m.begin_us) over (partition by m.app_id, m.session_id, m.part) as start_us
    from members m left join windows n on n.app_id = m.app_id and n.session_id = m.session_id and n.part = m.part + 1
    where m.place is not null
), starts as (
    select app_id, session_id, part, min(start_us) as start_us from ordered group by all
), bounded as (
    select o.*, case when o.place > o.next_place then least(o.active_us, s.start_us - 1) else o.active_us end as until_us
    from ordered o left join starts s on s.app_id = o.app_id and s.session_id = o.session_id and s.part = o.part + 1
), before as (
    select *, least(max(until_us) over (partition by app_id, session_id, part order by place
        rows between unbounded preceding and 1 preceding), start_us + cap_us() - 1) as end_before_us
    from bounded
), broken as (
    select *, coalesce(sum((instant_us >= end_before_us + gap_us())::int) over (
        partition by app_id, session_id, part order by place), 0) > 0 as is_tail
    from before
)
select *, coalesce(until_us >= start_us + cap_us(), false) or coalesce(next_opened_us < end_us + gap_us(), false) as is_capped
from (
    select app_id, session_id, part, min(start_us) as start_us, min(next_opened_us) as next_opened_us,
        max(until_us) filter (not is_tail) as until_us,
        greatest(least(max(until_us) filter (not is_tail), min(start_us) + cap_us() - 1), min(start_us)) as end_us,
        max(received_ms) filter (not is_tail) as active_received_ms
    from broken group by all
);
