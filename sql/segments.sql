/* custos
materialized: view
description: >-
  One row for each segment a person is in, and why. The segments of the model rfm, `other` left out;
  win_back (at risk or lost in rfm, and no detractor), and needs_care (a detractor, or unhappy with
  the help desk).
columns:
  segment:
    description: The segment.
    data_tests: [not_null, {accepted_values: [champions, loyal, potential, at_risk, lost, win_back, needs_care]}]
  person_id: {description: Who is in it., data_tests: [not_null, {relationships: {to: profiles, field: person_id}}]}
  reason: {description: What put the person there., data_tests: [not_null]}
tests:
  - name: a person is in a segment once
    sql: select person_id, segment from {{ ref('segments') }} group by person_id, segment having count(*) > 1
*/
with service as (
  select
    person_id,
    bool_or(tag = 'detractor') as is_detractor,
    bool_or(tag = 'unhappy') as is_unhappy
  from {{ ref('tags') }}
  where tag in ('detractor', 'unhappy')
  group by person_id
)
select
  segment,
  person_id,
  concat('recency ', r, ', frequency ', f, ', money ', coalesce(cast(m as varchar), 'withheld'), ' out of 5') as reason
from {{ ref('rfm') }}
where segment <> 'other'
union all
select
  'win_back' as segment,
  rfm.person_id,
  concat(rfm.segment, ', last order ', rfm.recency_days, ' days before the latest') as reason
from {{ ref('rfm') }} as rfm
left join service on service.person_id = rfm.person_id
where rfm.segment in ('at_risk', 'lost') and not coalesce(service.is_detractor, false)
union all
select
  'needs_care' as segment,
  person_id,
  case
    when is_detractor and is_unhappy then 'detractor, and tickets rated 2 or less'
    when is_detractor then 'detractor'
    else 'tickets rated 2 or less'
  end as reason
from service
