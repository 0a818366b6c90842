/* custos
materialized: view
description: One row a tracked event of the web shop or an app, those of unknown visitors included.
columns:
  source: {description: The source the event came from., data_tests: [not_null]}
  message_id: {description: The id the sender gave the event., data_tests: [unique]}
  person_id:
    description: Whom the device or the login belongs to.
    data_tests: [{relationships: {to: profiles, field: person_id}}]
  event: {description: "What happened: page_viewed, order_completed and the like."}
  url: {description: The page; may hold anything.}
  channel: {description: How the visitor came.}
  product_id: {description: Which product it was about.}
  revenue: {description: What the shop says was paid; orders are in `orders`.}
  occurred_at: {description: When it happened.}
*/
{% if has_source('web_events') %}
select
  'web_events' as source,
  message_id,
  person_id,
  event,
  {{ column('web_events', 'url', 'varchar') }} as url,
  {{ column('web_events', 'channel', 'varchar') }} as channel,
  {{ column('web_events', 'product_id', 'varchar') }} as product_id,
  {{ column('web_events', 'revenue', 'decimal(12, 2)') }} as revenue,
  occurred_at
from {{ source('web_events') }}
{% else %}
select
  cast(null as varchar) as source,
  cast(null as varchar) as message_id,
  cast(null as bigint) as person_id,
  cast(null as varchar) as event,
  cast(null as varchar) as url,
  cast(null as varchar) as channel,
  cast(null as varchar) as product_id,
  cast(null as decimal(12, 2)) as revenue,
  arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as occurred_at
where false
{% endif %}
