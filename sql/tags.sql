/* custos
materialized: view
description: >-
  One row for each tag a person has. vip (top fifth by money and by frequency from 4), new_30d (first
  order in the last 30 days), repeat_buyer (two orders and more), lapsed_90d and lapsed_365d (no order
  for longer than that), multichannel (ordered in two channels and more), app_user (an order or event
  in the app), gift_buyer (ordered in the category gift_card), promoter and detractor (by the latest
  survey), unhappy (mean rating of tickets up to 2), cross_silo (known to three sources and more).
  Days are days in UTC up to the latest order that the asker may see.
columns:
  person_id: {description: The person., data_tests: [not_null, {relationships: {to: profiles, field: person_id}}]}
  tag:
    description: The tag.
    data_tests:
      - not_null
      - accepted_values:
          [vip, new_30d, repeat_buyer, lapsed_90d, lapsed_365d, multichannel, app_user, gift_buyer, promoter, detractor, unhappy, cross_silo]
tests:
  - name: a person has a tag once
    sql: select person_id, tag from {{ ref('tags') }} group by person_id, tag having count(*) > 1
*/
with habits as (
  -- Distinct channels counted in two steps: in one, each person's would be gathered in memory.
  select
    person_id,
    count(channel) as channels,
    bool_or(in_app) as in_app,
    bool_or(gifts) as gifts,
    min(first_order_at) as first_order_at
  from (
    select
      person_id,
      channel,
      bool_or(channel = 'app') as in_app,
      bool_or(category = 'gift_card') as gifts,
      min(ordered_at) as first_order_at
    from {{ ref('orders') }}
    where person_id is not null
    group by person_id, channel
  ) as by_channel
  group by person_id
),
newest as (
  select
    person_id,
    channels,
    in_app,
    gifts,
    cast(cast(max(rfm.last_order_at) over () as date) as bigint) - cast(cast(first_order_at as date) as bigint)
      as days_since_first_order,
    rfm.recency_days,
    rfm.frequency,
    rfm.f,
    rfm.m
  from habits
  join {{ ref('rfm') }} as rfm using (person_id)
),
visits as (
  select person_id, bool_or(channel = 'app') as in_app
  from {{ ref('events') }}
  where person_id is not null
  group by person_id
),
all_tags as (
  select
    profiles.person_id,
    unnest(make_array(
      case when newest.m = 5 and newest.f >= 4 then 'vip' end,
      case when newest.days_since_first_order < 30 then 'new_30d' end,
      case when newest.frequency >= 2 then 'repeat_buyer' end,
      case when newest.recency_days > 90 then 'lapsed_90d' end,
      case when newest.recency_days > 365 then 'lapsed_365d' end,
      case when newest.channels >= 2 then 'multichannel' end,
      case when newest.in_app or visits.in_app then 'app_user' end,
      case when newest.gifts then 'gift_buyer' end,
      case when profiles.last_nps >= 9 then 'promoter' end,
      case when profiles.last_nps <= 6 then 'detractor' end,
      case when profiles.avg_csat <= 2 then 'unhappy' end,
      case when profiles.silos >= 3 then 'cross_silo' end
    )) as tag
  from {{ ref('profiles') }} as profiles
  left join newest on newest.person_id = profiles.person_id
  left join visits on visits.person_id = profiles.person_id
)
select person_id, tag from all_tags where tag is not null
