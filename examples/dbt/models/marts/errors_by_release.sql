select app_id, coalesce(service, 'unknown') as service, coalesce(version, 'unknown') as release,
       coalesce(error_fingerprint, error_message, error_type, 'unknown') as error_group,
       any_value(error_message) as error_message, count(*) as errors, count(distinct session_key) as sessions,
       min(happened_at) as first_seen_at, max(happened_at) as last_seen_at
from {{ ref('stg_errors') }}
group by app_id, service, release, error_group
