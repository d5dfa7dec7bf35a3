-- From the SDKs' own text to one row a received line, with the attributes that a session needs, in one set of names.

create macro host_of(url) as regexp_extract(url, '^[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/?#@]*@)?([^/?#]*)', 1);
create macro route_of(url) as regexp_extract(url, '#(/[^?]*)', 1);
create macro path_of(url) as case
    when route_of(url) != '' then '/#' || route_of(url)
    else coalesce(nullif(regexp_extract(url, '^[^:]*://[^/?#]*([^?#]*)', 1), ''), '/') end;
create macro group_of(path) as coalesce(nullif(regexp_replace(
    regexp_replace(path, '/[^/]*[0-9][^/]*', '/?', 'g'), '/$', ''), ''), '/');
create macro query_of(url) as case when regexp_extract(url, '^[^#?]*\?([^#]*)', 1) = '' then '{}' else to_json(map_from_entries(
    list_transform(list_filter(string_split(regexp_extract(url, '^[^#?]*\?([^#]*)', 1), '&'), lambda p: p != ''),
        lambda p: {'k': url_decode(replace(regexp_extract(p, '^[^=]*'), '+', ' ')),
                   'v': url_decode(replace(regexp_extract(p, '=(.*)$', 1), '+', ' '))})))::text end;
create macro unescaped(tag) as regexp_replace(tag, '\\([,= ])', '\1', 'g');
create macro value_of(field) as case when field[1] = '"'
    then regexp_replace(field[2:-2], '\\(["\\])', '\1', 'g') else field end;
create macro whole(number) as try_cast(try_cast(number as double) as bigint);

-- Line protocol: a row is no line of text, since quoted values hold raw line ends.
create table protocol_rows as
select received_ms, arrival, row,
    regexp_extract(row, '^((?:[^\\ \n]|\\.)+) ', 1) as head,
    trim(regexp_extract(row, ' (-?[0-9.]+)\s*$', 1)) as time
from (
    select received_ms, arrival, unnest(regexp_extract_all(text,
        '(?:[^\\ \n]|\\.)+ (?:(?:[^=, \n"]|\\.)+=(?:"(?:[^"\\]|\\.)*"|[^",\s]+),?)+(?: +-?[0-9.]+)? *(?:\n|$)', 0, 's')) as row
    from bodies where family = 'guance' and text not like '[%' and text not like '{%');

create table guance as
select received_ms, arrival, regexp_extract(head, '^[^,]*') as measurement, time::double as time_ms,
    map_concat(
        map(list_transform(regexp_extract_all(fields, pattern, 1, 's'), lambda k: unescaped(k)),
            list_transform(regexp_extract_all(fields, pattern, 2, 's'), lambda v: value_of(v))),
        map(list_transform(regexp_extract_all(head, tag, 1), lambda k: unescaped(k)),
            list_transform(regexp_extract_all(head, tag, 2), lambda v: unescaped(v)))) as m,
    row as text
from (
    select *, substr(row, length(head) + 2) as fields, ',((?:[^\\=,]|\\.)+)=((?:[^\\,]|\\.)*)' as tag,
        '((?:[^\\=, \n"]|\\.)+)=("(?:[^"\\]|\\.)*"|[^",\s]+)' as pattern
    from protocol_rows)
union all
select received_ms, arrival, o->>'measurement', (o->>'time')::double,
    map_concat((o->'fields')::map(text, text), (o->'tags')::map(text, text)), o::text
from (
    select received_ms, arrival, unnest(case when text like '[%' then text::json[] else [text::json] end) as o
    from bodies where family = 'guance' and (text like '[%' or text like '{%'));

create table datadog as
select received_ms, arrival, line::json as o, line as text
from (select received_ms, arrival, unnest(string_split(text, chr(10))) as line from bodies where family = 'datadog')
where trim(line) != '' and (line::json->>'type') != 'telemetry';

create table posthog as
select received_ms, arrival, text::json as o, text from messages
where (text::json->>'event') != '$$heatmap' and (text::json->>'event') is not null and (text::json->>'event') not in ('$snapshot', '$snapshot_items');

-- A note is an event that only tells of its view or visitor: no row, and nothing that the visitor did.
create table kinds as select unnest(['view', 'action', 'error', 'resource', 'long_task', 'note']) as kind,
    unnest([0, 1, 2, 3, 4, 6]) as kind_place;

create table lines as
with guance_lines as (
    select 'guance' as family, m['app_id'] as app_id, m['session_id'] as session_id, measurement as kind,
        received_ms, arrival, text, (time_ms * 1000)::bigint as begin_us,
        coalesce(whole(case measurement when 'view' then m['time_spent'] when 'error' then null
            else m['duration'] end), 0) // 1000 as span_us,
        case measurement when 'action' then m['action_id'] when 'resource' then m['resource_id']
            when 'error' then m['error_id'] when 'long_task' then m['long_task_id'] end as own_id,
        measurement = 'view' and coalesce(m['session_is_active'] = 'false', false) as ends,
        m['view_id'] as view_id, m['view_url'] as view_url, m['view_host'] as view_host, m['view_path'] as view_path,
        m['view_path_group'] as view_path_group, m['view_url_query'] as view_url_query,
        m['view_referrer'] as view_referrer, whole(m['time_spent']) as time_spent,
        m['env'] as env, m['service'] as service, m['version'] as version, m['source'] as source,
        m['sdk_name'] as sdk_name, m['sdk_version'] as sdk_version, m['session_type'] as session_type,
        m['userid'] as userid, m['user_name'] as user_name, m['user_email'] as user_email, m['is_signin'] as is_signin,
        m['os'] as os, m['os_version'] as os_version, m['os_version_major'] as os_version_major,
        m['browser'] as browser, m['browser_version'] as browser_version,
        m['browser_version_major'] as browser_version_major, m['device'] as device, m['screen_size'] as screen_size,
        m['network_type'] as network_type, m['time_zone'] as time_zone, m['ip'] as ip, m['country'] as country,
        m['province'] as province, m['city'] as city, m['isp'] as isp,
        0 as document_version, whole(m['view_error_count']) as view_error_count,
        whole(m['view_resource_count']) as view_resource_count, whole(m['view_action_count']) as view_action_count,
        whole(m['view_long_task_count']) as view_long_task_count, m['session_replay_stats'] as replay_stats,
        whole(m['largest_contentful_paint']) as lcp, whole(m['interaction_to_next_paint']) as inp,
        m['cumulative_layout_shift']::double as cls, m['action_type'] as action_type,
        m['action_frustration_types'] as frustrations, whole(m['duration']) as duration,
        m['error_type'] as error_type, m['error_message'] as error_message, m['error_stack'] as error_stack
    from guance
), datadog_lines as (
    select 'datadog' as family, o->>'$.application.id' as app_id, o->>'$.session.id' as session_id,
        case o->>'type' when 'vital' then 'note' else o->>'type' end as kind,
        received_ms, arrival, text, ((o->>'date')::double * 1000)::bigint as begin_us,
        coalesce(whole(case o->>'type' when 'view' then o->>'$.view.time_spent'
            when 'resource' then o->>'$.resource.duration' when 'long_task' then o->>'$.long_task.duration'
            when 'action' then o->>'$.action.loading_time' end), 0) // 1000 as span_us,
        case o->>'type' when 'action' then o->>'$.action.id' when 'resource' then o->>'$.resource.id'
            when 'error' then o->>'$.error.id' when 'long_task' then o->>'$.long_task.id'
            when 'vital' then o->>'$.vital.id' end as own_id,
        (o->>'type') = 'view' and coalesce((o->>'$.session.is_active') = 'false', false) as ends,
        o->>'$.view.id' as view_id, o->>'$.view.url' as view_url, host_of(view_url) as view_host,
        path_of(view_url) as view_path, group_of(path_of(view_url)) as view_path_group,
        query_of(view_url) as view_url_query,
        o->>'$.view.referrer' as view_referrer, whole(o->>'$.view.time_spent') as time_spent,
        regexp_extract(o->>'ddtags', '(?:^|,)env:([^,]*)', 1) as env, o->>'service' as service, o->>'version' as version,
        o->>'source' as source, o->>'$._dd.sdk_name' as sdk_name,
        regexp_extract(o->>'ddtags', '(?:^|,)sdk_version:([^,]*)', 1) as sdk_version, o->>'$.session.type' as session_type,
        coalesce(o->>'$.usr.id', o->>'$.usr.anonymous_id') as userid, o->>'$.usr.name' as user_name,
        o->>'$.usr.email' as user_email, case when (o->>'$.usr.id') is not null then 'T'
            when (o->>'$.usr.anonymous_id') is not null then 'F' end as is_signin,
        (o->>'$.display.viewport.width') || '*' || (o->>'$.display.viewport.height') as screen_size,
        o->>'$.device.time_zone' as time_zone, o->>'$.connectivity.effective_type' as network_type,
        whole(o->>'$._dd.document_version') as document_version, whole(o->>'$.view.error.count') as view_error_count,
        whole(o->>'$.view.resource.count') as view_resource_count,
        whole(o->>'$.view.action.count') as view_action_count,
        whole(o->>'$.view.long_task.count') as view_long_task_count, o->>'$._dd.replay_stats' as replay_stats,
        whole(o->>'$.view.largest_contentful_paint') as lcp, whole(o->>'$.view.interaction_to_next_paint') as inp,
        (o->>'$.view.cumulative_layout_shift')::double as cls, o->>'$.action.type' as action_type,
        o->>'$.action.frustration.type' as frustrations, whole(o->>'$.resource.duration') as duration,
        o->>'$.error.type' as error_type, o->>'$.error.message' as error_message, o->>'$.error.stack' as error_stack
    from datadog
), posthog_events as (
    select *, o->>'event' as event, o->'properties' as p,
        coalesce(epoch_us((o->>'timestamp')::timestamptz), round((o->>'$.properties."$time"')::double * 1000000)::bigint)
            as at_us
    from posthog
), posthog_lines as (
    select 'rrweb' as family, p->>'token' as app_id, p->>'$."$session_id"' as session_id,
        case when event in ('$pageview', '$pageleave', '$web_vitals') then 'view'
            when event = '$exception' then 'error'
            when event in ('$identify', '$set', '$feature_flag_called', '$groupidentify') then 'note'
            else 'action' end as kind,
        received_ms, arrival, text, 0 as span_us, at_us as begin_us, event = '$pageview' as is_start,
        event != '$pageleave' as may_open,
        round((p->>'$."$prev_pageview_duration"')::double * 1000000)::bigint * 1000 as left_ns,
        case event when '$pageleave' then coalesce(p->>'$."$prev_pageview_id"', p->>'$."$pageview_id"')
            when '$pageview' then p->>'$."$prev_pageview_id"' end as left_id, case when kind != 'view' then o->>'uuid' end as own_id,
        false as ends,
        case when event = '$pageleave' then coalesce(p->>'$."$prev_pageview_id"', p->>'$."$pageview_id"')
            else p->>'$."$pageview_id"' end as view_id,
        p->>'$."$current_url"' as view_url, host_of(view_url) as view_host, path_of(view_url) as view_path,
        group_of(path_of(view_url)) as view_path_group, query_of(view_url) as view_url_query,
        nullif(p->>'$."$referrer"', '$direct') as view_referrer,
        p->>'$."$lib"' as sdk_name, p->>'$."$lib_version"' as sdk_version, p->>'distinct_id' as userid,
        coalesce(o->>'$."$set".name', p->>'$."$set".name') as user_name,
        coalesce(o->>'$."$set".email', p->>'$."$set".email') as user_email,
        case p->>'$."$is_identified"' when 'true' then 'T' when 'false' then 'F' end as is_signin,
        p->>'$."$os"' as os, p->>'$."$os_version"' as os_version, p->>'$."$browser"' as browser,
        p->>'$."$browser_version"' as browser_version,
        regexp_extract(p->>'$."$browser_version"', '^[^.]*') as browser_version_major, p->>'$."$device_type"' as device,
        (p->>'$."$screen_width"') || '*' || (p->>'$."$screen_height"') as screen_size, p->>'$."$timezone"' as time_zone,
        p->>'$."$ip"' as ip, 0 as document_version,
        (whole((p->>'$."$web_vitals_LCP_value"')::double * 1000000)) as lcp,
        (whole((p->>'$."$web_vitals_INP_value"')::double * 1000000)) as inp,
        (p->>'$."$web_vitals_CLS_value"')::double as cls,
        case when event in ('$autocapture', '$rageclick', '$dead_click') then p->>'$."$event_type"' else 'custom' end
            as action_type,
        case event when '$rageclick' then '["rage_click"]' when '$dead_click' then '["dead_click"]' end as frustrations,
        p->>'$."$exception_type"' as error_type, p->>'$."$exception_message"' as error_message,
        p->>'$."$exception_stack_trace_raw"' as error_stack
    from posthog_events
)
select *, begin_us + span_us as end_us, not ends and coalesce(may_open, true) as opens,
    kind || '/' || case when kind = 'view' then coalesce(view_id, '') || text else coalesce(nullif(own_id, ''), text) end
        as ident
from (select * from guance_lines union all by name select * from datadog_lines union all by name
    select * from posthog_lines) join kinds using (kind);
