-- One row per window, with the names and units of the table `sessions`.

create table rows_of_lines as
select l.* exclude (received_ms, opens), m.part, m.received_ms, m.copies
from lines l join members m using (app_id, session_id, ident)
qualify row_number() over (partition by app_id, session_id, ident order by l.end_us desc, l.text desc) = 1;

create macro first_said(c) as first(c order by l.end_us, l.text) filter (c is not null);
create macro last_said(c) as last(c order by l.end_us, l.text) filter (c is not null);
create macro last_known(c) as last(c order by begin_us, kind_place, ident) filter (c is not null);

-- How long a page of PostHog was open is told when it is left, by its leave or by the page that followed. Of a page that
-- was opened before the window began, only what lies in the window counts.
create table parts_of_views as
select l.*, s.start_us as window_start_us, max(is_start) over (partition by app_id, session_id, part, view_id) as is_begun
from rows_of_lines l join spans s using (app_id, session_id, part) where kind = 'view' and family = 'rrweb';

create table begun_views as
select app_id, session_id, part, view_id, any_value(is_begun) as is_begun,
    case when any_value(is_begun) then min(begin_us) filter (is_start)
    else greatest(min(begin_us - coalesce(left_ns, 0) // 1000), any_value(window_start_us)) end as begin_us
from parts_of_views group by all;

create table open_times as
select b.app_id, b.session_id, b.part, b.view_id,
    max(case when b.is_begun then left_ns else least(left_ns, (l.end_us - b.begin_us) * 1000) end) as time_spent
from begun_views b join parts_of_views l on l.app_id = b.app_id and l.session_id = b.session_id and l.part = b.part
    and l.left_id = b.view_id
where left_ns is not null group by all;

-- A view once: its newest state. PostHog sends a view in parts, of which each adds to those before.
create table final_views as
select * exclude (age) from (
    select *, row_number() over newest as age
    from rows_of_lines where kind = 'view' and family != 'rrweb'
    window newest as (partition by app_id, session_id, part, coalesce(view_id, '') order by end_us desc,
        coalesce(document_version, 0) desc, coalesce(view_error_count, 0) + coalesce(view_resource_count, 0)
            + coalesce(view_action_count, 0) + coalesce(view_long_task_count, 0) desc, text desc)
) where age = 1
union all by name
select app_id, session_id, part, view_id, 'rrweb' as family, 'view' as kind, 0 as kind_place,
    any_value(b.begin_us) as begin_us, max(end_us) as end_us, max(ident) as ident,
    first_said(view_url) as view_url, first_said(view_host) as view_host, first_said(view_path) as view_path,
    first_said(view_path_group) as view_path_group, first_said(view_url_query) as view_url_query,
    first_said(view_referrer) as view_referrer,
    last_said(env) as env, last_said(service) as service, last_said(version) as version, last_said(source) as
    source, last_said(sdk_name) as sdk_name, last_said(sdk_version) as sdk_version, last_said(session_type) as
    session_type, last_said(userid) as userid, last_said(user_name) as user_name, last_said(user_email) as
    user_email, last_said(is_signin) as is_signin, last_said(os) as os, last_said(os_version) as os_version,
    last_said(os_version_major) as os_version_major, last_said(browser) as browser, last_said(browser_version)
    as browser_version, last_said(browser_version_major) as browser_version_major, last_said(device) as device,
    last_said(screen_size) as screen_size, last_said(network_type) as network_type, last_said(time_zone) as
    time_zone, last_said(ip) as ip, last_said(country) as country, last_said(province) as province,
    last_said(city) as city, last_said(isp) as isp, any_value(o.time_spent) as time_spent, last_said(lcp) as lcp,
    last_said(inp) as inp, last_said(cls) as cls
from parts_of_views l join begun_views b using (app_id, session_id, part, view_id)
    left join open_times o using (app_id, session_id, part, view_id) group by app_id, session_id, part, view_id;

create table views as
select *, row_number() over (partition by app_id, session_id, part order by begin_us, coalesce(view_id, 'None')) as nth,
    count(*) over (partition by app_id, session_id, part) as view_count
from final_views;

create table rows_kept as
select * from rows_of_lines where kind != 'view' union all by name select * exclude (nth, view_count) from views;

create macro plain(t) as regexp_replace(regexp_replace(regexp_replace(t,
    '[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}', '#', 'g'),
    '\b[A-Za-z_]*[0-9]+[A-Za-z_]+[0-9][A-Za-z0-9_]*', '#', 'g'), '[0-9]+(?:[.,][0-9]+)*', '#', 'g');
create macro address(t) as regexp_replace(t,
    '[A-Za-z][A-Za-z0-9+.-]{1,15}://[^/?#\s"'']*([^?#\s"'':)]*)[^\s"'')]*', '\1', 'g');
create macro message_of(t) as trim(regexp_replace(plain(regexp_replace(address(substr(t, 1, 500)),
    '[A-Za-z0-9_.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+', '@', 'g')), '\s+', ' ', 'g'));
create macro frame_pattern() as '^\s*at (?:(.*?) ?[@(] ?)?(\S+?)(?::[0-9]+){0,2}\)?\s*$';
create macro name_of(n) as case when n in ('', '?', '<anonymous>', 'Object.<anonymous>', 'anonymous') then '?'
    else plain(n) end;
create macro frame_of(line) as
    name_of(trim(regexp_replace(regexp_replace(regexp_extract(line, frame_pattern(), 1), ' \[as [^\]]*\]', '', 'g'),
        '^async ', ''))) || ' ' || plain(regexp_replace(address(regexp_extract(line, frame_pattern(), 2)),
        '[.-][A-Za-z0-9_]{8,}(\.[a-z]{2,4})$', '#\1'));
create macro group_of_error(kind_of, message, stack) as concat_ws(chr(10), coalesce(kind_of, ''),
    message_of(coalesce(message, '')), array_to_string(list_transform(list_filter(
        string_split(coalesce(stack, ''), chr(10))[1:20], lambda l: regexp_matches(l, frame_pattern()))[1:3],
        lambda l: frame_of(l)), chr(10)));

create table kept_segments as
select s.*, m.part from all_segments s join members m using (app_id, session_id, ident)
qualify row_number() over (partition by app_id, session_id, ident order by raw_bytes desc) = 1;

create table inputs as
select app_id, session_id, part, time_ms from (
    select *, (r.timestamp)::bigint as time_ms, (r.data->>'$.source')::int as input_source
    from (select app_id, session_id, part, family, start_ms, end_ms, unnest(records) as r from kept_segments)
    where r.timestamp between start_ms and end_ms
) where (r.type = 3 and input_source in (1, 2, 3, 5, 6, 12)) or (r.type = 9 and family = 'guance')
    or (r.type = 12 and family = 'datadog' and list_contains(json_extract_string(r.data, '$[*][0]'), '12'))
union
select app_id, session_id, part, begin_us // 1000 from rows_of_lines
where kind = 'action' and action_type is distinct from 'custom';  -- what a page reports by itself is no visitor's doing

create table activity as
with points as (
    select app_id, session_id, part, time_ms, true as is_input from inputs
    join spans using (app_id, session_id, part) where time_ms between start_us // 1000 and end_us // 1000
    union all select app_id, session_id, part, start_us // 1000, false from spans
    union all select app_id, session_id, part, end_us // 1000, false from spans
), pauses as (
    select *, time_ms - lag(time_ms) over (partition by app_id, session_id, part order by time_ms) as pause_ms from points
)
select app_id, session_id, part, max(time_ms) filter (is_input) * 1000 as last_interaction_us,
    coalesce(sum(pause_ms) filter (pause_ms > 60000), 0) * 1000000 as idle_time
from pauses group by all;

create table replay as
with claims as (
    select app_id, session_id, part, view_id, try_cast(replay_stats::json->>'segments_count' as bigint) as claimed
    from views where replay_stats is not null
), received as (
    select app_id, session_id, part, view_id, count(distinct index_in_view) as got,
        max(index_in_view) - min(index_in_view) + 1 as numbered
    from kept_segments group by all
), missing as (
    select app_id, session_id, part,
        sum(greatest(greatest(coalesce(numbered, 0), coalesce(claimed, 0)) - coalesce(got, 0), 0)) as missing
    from claims full join received using (app_id, session_id, part, view_id) group by all
), stored as (
    select app_id, session_id, part, count(*) as segment_count, sum(len(records)) as record_count,
        sum(raw_bytes) as raw_bytes
    from kept_segments group by all
), first_segment as (
    select app_id, session_id, part, sdk_name, sdk_version from (
        select *, min(start_ms) over (partition by app_id, session_id, part, view_id) as view_start_ms from kept_segments)
    qualify row_number() over (partition by app_id, session_id, part
        order by view_start_ms, view_id, index_in_view, start_ms) = 1
)
select * from missing left join stored using (app_id, session_id, part)
    left join first_segment using (app_id, session_id, part);

create macro p75(values_of) as list_sort(values_of)[((3 * len(values_of) + 3) // 4)::int];

create table line_totals as
select app_id, session_id, part,
    count(*) filter (kind = 'view') as session_view_count, count(*) filter (kind = 'error') as session_error_count,
    count(*) filter (kind = 'resource') as session_resource_count,
    count(*) filter (kind = 'action') as session_action_count,
    count(*) filter (kind = 'long_task') as session_long_task_count,
    count(*) filter (kind = 'action' and frustrations like '%"rage_click"%') as rage_click_count,
    count(*) filter (kind = 'action' and frustrations like '%"dead_click"%') as dead_click_count,
    count(*) filter (kind = 'action' and frustrations like '%"error_click"%') as error_click_count,
    rage_click_count + dead_click_count + error_click_count as frustration_count,
    coalesce(sum(view_error_count) filter (kind = 'view'), 0) as claimed_error_count,
    coalesce(sum(view_resource_count) filter (kind = 'view'), 0) as claimed_resource_count,
    coalesce(sum(view_action_count) filter (kind = 'view'), 0) as claimed_action_count,
    coalesce(sum(view_long_task_count) filter (kind = 'view'), 0) as claimed_long_task_count,
    case when session_view_count > 0 then session_view_count = 1
        and count(*) filter (kind = 'action' and action_type is distinct from 'custom') = 0 end as is_bounce,
    max(lcp) filter (kind = 'view') as lcp_worst, p75(list(lcp) filter (kind = 'view' and lcp is not null)) as lcp_p75,
    max(inp) filter (kind = 'view') as inp_worst, p75(list(inp) filter (kind = 'view' and inp is not null)) as inp_p75,
    max(cls) filter (kind = 'view') as cls_worst, p75(list(cls) filter (kind = 'view' and cls is not null)) as cls_p75,
    count(*) filter (kind = 'resource' and duration > 1000000000) as slow_resource_count,
    count(distinct case when kind = 'error' then group_of_error(error_type, error_message, error_stack) end)
        as error_group_count,
    last_known(env) as env, last_known(service) as service, last_known(version) as version, last_known(source)
    as source, last_known(sdk_name) as sdk_name, last_known(sdk_version) as sdk_version,
    last_known(session_type) as session_type, last_known(os) as os,
    last_known(os_version) as os_version, last_known(os_version_major) as os_version_major, last_known(browser)
    as browser, last_known(browser_version) as browser_version, last_known(browser_version_major) as
    browser_version_major, last_known(device) as device, last_known(screen_size) as screen_size,
    last_known(network_type) as network_type, last_known(time_zone) as time_zone, last_known(ip) as ip,
    last_known(country) as country, last_known(province) as province, last_known(city) as city, last_known(isp)
    as isp
from rows_kept group by all;

-- One person: the one named last, with what lines of the same person say.
create table people as
with named as (
    select app_id, session_id, part, last_known(userid) as userid from rows_kept group by all
)
select app_id, session_id, part, any_value(n.userid) as userid, last_known(user_name) as user_name,
    last_known(user_email) as user_email, last_known(is_signin) as is_signin
from rows_kept r join named n using (app_id, session_id, part)
where r.userid is not distinct from n.userid group by all;

create table ends as
with received as (
    select app_id, session_id, part, min(received_ms) as received_start_ms, max(received_ms) as received_end_ms,
        min(end_us) filter (ends) as marker_end_us, max(received_ms) filter (ends) as marker_received_ms,
        sum(copies - 1) as duplicate_count
    from members group by all
), skews as (
    select app_id, session_id, part, min(received_ms - end_us // 1000) as clock_skew_ms from members group by all
), clock as (
    select max(received_ms) as clock_ms from (select received_ms from bodies union all select received_ms from segments
        union all select received_ms from messages)
)
select *, marker_end_us is not null and (active_received_ms is not null) and marker_end_us < end_us + gap_us() as is_ended,
    case when is_ended then least(active_received_ms + 900000, greatest(marker_received_ms, active_received_ms) + 60000)
        else active_received_ms + 900000 end as due_ms,
    case when is_ended then 'ended' when is_capped then 'max_duration'
        when clock_ms <= greatest(due_ms + 60000, received_end_ms + 10000) then 'drained' else 'inactivity' end
        as close_reason
from spans join received using (app_id, session_id, part) join skews using (app_id, session_id, part), clock;

create table expected as
select e.app_id, e.session_id, e.part::bigint as session_part,
    l.session_type, a.view_referrer as session_referrer,
    a.view_id as session_first_view_id, a.view_url as session_first_view_url, a.view_host as session_first_view_host,
    a.view_path as session_first_view_path, a.view_path_group as session_first_view_path_group,
    a.view_url_query as session_first_view_url_query,
    z.view_id as session_last_view_id, z.view_url as session_last_view_url, z.view_host as session_last_view_host,
    z.view_path as session_last_view_path, z.view_path_group as session_last_view_path_group,
    z.view_url_query as session_last_view_url_query,
    (e.end_us - e.start_us) * 1000 as time_spent,
    coalesce(l.session_view_count, 0) as session_view_count, coalesce(l.session_error_count, 0) as session_error_count,
    coalesce(l.session_resource_count, 0) as session_resource_count,
    coalesce(l.session_action_count, 0) as session_action_count,
    coalesce(l.session_long_task_count, 0) as session_long_task_count,
    coalesce(r.segment_count, 0) > 0 as session_has_replay,
    make_timestamptz(e.start_us) as "start", make_timestamptz(e.end_us) as "end",
    make_timestamptz(e.received_start_ms * 1000) as received_start,
    make_timestamptz(e.received_end_ms * 1000) as received_end, e.close_reason,
    make_timestamptz(y.last_interaction_us::bigint) as last_interaction_at,
    (e.end_us // 1000 - e.start_us // 1000) * 1000000 - y.idle_time as active_time, y.idle_time, e.clock_skew_ms,
    coalesce(l.frustration_count, 0) as frustration_count, coalesce(l.rage_click_count, 0) as rage_click_count,
    coalesce(l.dead_click_count, 0) as dead_click_count, coalesce(l.error_click_count, 0) as error_click_count,
    coalesce(l.claimed_error_count, 0) as claimed_error_count,
    coalesce(l.claimed_resource_count, 0) as claimed_resource_count,
    coalesce(l.claimed_action_count, 0) as claimed_action_count,
    coalesce(l.claimed_long_task_count, 0) as claimed_long_task_count, e.duplicate_count,
    coalesce(r.segment_count, 0) as replay_segment_count, coalesce(r.missing, 0) as replay_missing_segment_count,
    coalesce(r.record_count, 0) as replay_record_count, coalesce(r.raw_bytes, 0) as replay_raw_bytes,
    l.env, l.service, l.version, l.source, coalesce(l.sdk_name, r.sdk_name) as sdk_name,
    coalesce(l.sdk_version, r.sdk_version) as sdk_version, w.userid, w.user_name, w.user_email, w.is_signin, l.os,
    l.os_version, l.os_version_major, l.browser, l.browser_version, l.browser_version_major, l.device, l.screen_size,
    l.network_type, l.time_zone, l.ip, l.country, l.province, l.city, l.isp,
    l.is_bounce, l.lcp_worst, l.lcp_p75, l.inp_worst, l.inp_p75, l.cls_worst, l.cls_p75,
    coalesce(l.slow_resource_count, 0) as slow_resource_count, coalesce(l.error_group_count, 0) as error_group_count
from ends e left join line_totals l using (app_id, session_id, part) left join activity y using (app_id, session_id, part)
    left join people w using (app_id, session_id, part)
    left join replay r using (app_id, session_id, part)
    left join views a on a.app_id = e.app_id and a.session_id = e.session_id and a.part = e.part and a.nth = 1
    left join views z on z.app_id = e.app_id and z.session_id = e.session_id and z.part = e.part and z.nth = z.view_count;
