/* custos
materialized: view
description: >-
  One row a person of whom the asker may see anything, from all sources together. Name, e-mail and
  telephone number are those the person's own records give, not what others said of them: verified
  before claimed, then the latest seen, then the smallest value. City to loyalty tier are from the
  person's latest record in the CRM. What the asker may not see counts as absent.
columns:
  person_id: {description: The person; the key that joins all models., data_tests: [unique, not_null]}
  name: {description: The name; null without the right to see names.}
  email: {description: The e-mail address; null without the right to see it.}
  phone: {description: The telephone number; null without the right to see it.}
  city: {description: The city.}
  country: {description: The country.}
  gender: {description: The gender.}
  birth_year: {description: The year of birth.}
  loyalty_tier: {description: The tier of the loyalty programme.}
  silos: {description: How many sources know the person., data_tests: [not_null]}
  first_seen: {description: The earliest moment any source tells of.}
  last_seen: {description: The latest moment any source tells of.}
  orders: {description: How many orders., data_tests: [not_null]}
  revenue: {description: "The sum of the orders' amounts, returns deducted."}
  revenue_currency: {description: "The currency of all the person's orders; null when they differ."}
  last_order_at: {description: When the person last ordered.}
  tickets: {description: How many tickets at the help desk., data_tests: [not_null]}
  avg_csat: {description: The mean of the ratings of tickets that were rated.}
  last_nps: {description: The latest answer to how likely they are to recommend us.}
*/
with bought as (
  select
    person_id,
    source,
    count(*) as orders,
    sum(amount) as revenue,
    min(currency) as lowest_currency,
    max(currency) as highest_currency,
    min(ordered_at) as first_seen,
    max(ordered_at) as last_seen
  from {{ ref('orders') }}
  where person_id is not null
  group by person_id, source
),
bought_in_all as (
  select
    person_id,
    sum(orders) as orders,
    sum(revenue) as revenue,
    case when min(lowest_currency) = max(highest_currency) then min(lowest_currency) end as revenue_currency,
    max(last_seen) as last_order_at
  from bought
  group by person_id
),
complained as (
  select
    person_id,
    source,
    count(*) as tickets,
    sum(csat) as csat_sum,
    count(csat) as csat_count,
    min(opened_at) as first_seen,
    max(opened_at) as last_seen
  from {{ ref('tickets') }}
  where person_id is not null
  group by person_id, source
),
complained_in_all as (
  select
    person_id,
    sum(tickets) as tickets,
    cast(sum(csat_sum) as double) / nullif(sum(csat_count), 0) as avg_csat
  from complained
  group by person_id
),
answered as (
  select
    person_id,
    source,
    nps,
    answered_at,
    row_number() over (
      partition by person_id order by answered_at desc nulls last, response_id desc, nps
    ) as place
  from {{ ref('surveys') }}
  where person_id is not null
),
{% if has_source('crm_contacts') %}
contacts as (
  select
    person_id,
    {{ column('crm_contacts', 'city', 'varchar') }} as city,
    {{ column('crm_contacts', 'country', 'varchar') }} as country,
    {{ column('crm_contacts', 'gender', 'varchar') }} as gender,
    {{ column('crm_contacts', 'birth_year', 'bigint') }} as birth_year,
    {{ column('crm_contacts', 'loyalty_tier', 'varchar') }} as loyalty_tier,
    updated_at,
    row_number() over (
      partition by person_id order by updated_at desc nulls last, subject_id
    ) as place
  from {{ source('crm_contacts') }}
  where person_id is not null
),
{% else %}
contacts as (
  select
    cast(null as bigint) as person_id,
    cast(null as varchar) as city,
    cast(null as varchar) as country,
    cast(null as varchar) as gender,
    cast(null as bigint) as birth_year,
    cast(null as varchar) as loyalty_tier,
    arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as updated_at,
    cast(null as bigint) as place
  where false
),
{% endif %}
appearances as (
  select person_id, source, first_seen, last_seen from bought
  union all
  select person_id, source, first_seen, last_seen from complained
  union all
  select person_id, source, answered_at as first_seen, answered_at as last_seen from answered
  union all
  select person_id, 'crm_contacts' as source, updated_at as first_seen, updated_at as last_seen from contacts
  union all
  select person_id, source, min(occurred_at) as first_seen, max(occurred_at) as last_seen
  from {{ ref('events') }}
  where person_id is not null
  group by person_id, source
  union all
  select person_id, source, min(seen_at) as first_seen, max(seen_at) as last_seen
  from {{ vault('identifiers') }}
  where person_id is not null
  group by person_id, source
),
persons as (
  select
    person_id,
    count(distinct source) as silos,
    min(first_seen) as first_seen,
    max(last_seen) as last_seen
  from appearances
  group by person_id
),
golden as (
  select
    person_id,
    first_value(name order by assurance = 'verified' desc nulls last, seen_at desc nulls last, name)
      filter (where name is not null) as name,
    first_value(email order by assurance = 'verified' desc nulls last, seen_at desc nulls last, email)
      filter (where email is not null) as email,
    first_value(phone order by assurance = 'verified' desc nulls last, seen_at desc nulls last, phone)
      filter (where phone is not null) as phone
  from {{ vault('identifiers') }}
  where person_id is not null and role = ''
  group by person_id
)
select
  persons.person_id,
  golden.name,
  golden.email,
  golden.phone,
  contacts.city,
  contacts.country,
  contacts.gender,
  contacts.birth_year,
  contacts.loyalty_tier,
  persons.silos,
  persons.first_seen,
  persons.last_seen,
  coalesce(bought_in_all.orders, 0) as orders,
  -- Null rather than 0 when there are orders whose amounts the asker may not see.
  case when bought_in_all.person_id is null then 0 else bought_in_all.revenue end as revenue,
  bought_in_all.revenue_currency,
  bought_in_all.last_order_at,
  coalesce(complained_in_all.tickets, 0) as tickets,
  complained_in_all.avg_csat,
  answered.nps as last_nps
from persons
left join golden on golden.person_id = persons.person_id
left join contacts on contacts.person_id = persons.person_id and contacts.place = 1
left join bought_in_all on bought_in_all.person_id = persons.person_id
left join complained_in_all on complained_in_all.person_id = persons.person_id
left join answered on answered.person_id = persons.person_id and answered.place = 1
