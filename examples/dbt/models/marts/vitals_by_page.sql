-- Web vitals of each page, the 75th percentile by nearest rank, as Google's tools take it. LCP is of page loads only.
select dt, app_id, coalesce(view_path_group, view_path, 'unknown') as page, count(*) as views,
       quantile_disc(lcp_seconds, 0.75) as lcp_p75_seconds, quantile_disc(inp_seconds, 0.75) as inp_p75_seconds,
       quantile_disc(cumulative_layout_shift, 0.75) as cls_p75, count(lcp_seconds) as views_with_lcp
from {{ ref('stg_views') }}
group by dt, app_id, page
