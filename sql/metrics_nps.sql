/* custos
materialized: view
description: >-
  One row a month (in UTC) with the net promoter score: the share of promoters (9 and 10) less the
  share of detractors (0 to 6), in percent. Only answers that the asker may see count.
columns:
  month: {description: The first day of the month., data_tests: [unique, not_null]}
  promoters: {description: "How many answered 9 or 10.", data_tests: [not_null]}
  passives: {description: "How many answered 7 or 8.", data_tests: [not_null]}
  detractors: {description: "How many answered 0 to 6.", data_tests: [not_null]}
  responses: {description: How many answered., data_tests: [not_null]}
  nps: {description: "From -100 to 100.", data_tests: [not_null]}
tests:
  - name: the groups add up
    sql: select month from {{ ref('metrics_nps') }} where promoters + passives + detractors <> responses
  - name: the score is within its range
    sql: select month, nps from {{ ref('metrics_nps') }} where nps not between -100 and 100
*/
with months as (
  select
    cast(date_trunc('month', answered_at) as date) as month,
    count(*) filter (where nps_group = 'promoter') as promoters,
    count(*) filter (where nps_group = 'passive') as passives,
    count(*) filter (where nps_group = 'detractor') as detractors,
    count(*) as responses
  from {{ ref('surveys') }}
  where nps_group is not null and answered_at is not null
  group by cast(date_trunc('month', answered_at) as date)
)
select
  month,
  promoters,
  passives,
  detractors,
  responses,
  100.0 * cast(promoters - detractors as double) / responses as nps
from months
