/* custos
materialized: view
description: >-
  One row a customer with recency, frequency and monetary value, each cut into fifths of the
  customers that the asker may see: 5 is the most recent, the most often, the most money. Days are
  days in UTC, counted to the latest order that the asker may see, so that the answer depends on the
  data alone and not on the day of asking. The first segment that fits is the customer's:
  champions (r, f and m from 4), loyal (f from 4, r from 3), potential (r from 4), at_risk (r up to 2,
  with f from 3 or m from 4), lost (r up to 2), other. Without the right to see amounts the monetary
  value, its fifth and the code are null.
columns:
  person_id: {description: The customer., data_tests: [unique, not_null]}
  last_order_at: {description: When the customer last ordered.}
  recency_days: {description: Whole days from there to the latest order of anybody.}
  frequency: {description: How many orders., data_tests: [not_null]}
  monetary: {description: "The sum of the orders' amounts, returns deducted."}
  r: {description: The fifth by recency., data_tests: [not_null, {accepted_values: [1, 2, 3, 4, 5]}]}
  f: {description: The fifth by frequency., data_tests: [not_null, {accepted_values: [1, 2, 3, 4, 5]}]}
  m: {description: The fifth by monetary value., data_tests: [{accepted_values: [1, 2, 3, 4, 5]}]}
  rfm: {description: "The three fifths side by side, such as 545."}
  segment:
    description: The segment by the rules above.
    data_tests: [not_null, {accepted_values: [champions, loyal, potential, at_risk, lost, other]}]
*/
with customers as (
  select
    person_id,
    max(ordered_at) as last_order_at,
    count(*) as frequency,
    sum(amount) as monetary
  from {{ ref('orders') }}
  where person_id is not null
  group by person_id
),
-- Ties are broken by the person's id, so that equal data is cut the same way every time.
fifths as (
  select
    person_id,
    last_order_at,
    cast(cast(max(last_order_at) over () as date) as bigint) - cast(cast(last_order_at as date) as bigint)
      as recency_days,
    frequency,
    monetary,
    cast(ntile(5) over (order by last_order_at nulls first, person_id) as bigint) as r,
    cast(ntile(5) over (order by frequency, person_id) as bigint) as f,
    case when monetary is not null
      then cast(ntile(5) over (order by monetary nulls first, person_id) as bigint) end as m
  from customers
)
select
  person_id,
  last_order_at,
  recency_days,
  frequency,
  monetary,
  r,
  f,
  m,
  cast(r * 100 + f * 10 + m as varchar) as rfm,
  case
    when r >= 4 and f >= 4 and m >= 4 then 'champions'
    when r >= 3 and f >= 4 then 'loyal'
    when r >= 4 then 'potential'
    when r <= 2 and (f >= 3 or m >= 4) then 'at_risk'
    when r <= 2 then 'lost'
    else 'other'
  end as segment
from fifths
