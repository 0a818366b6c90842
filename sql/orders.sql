/* custos
materialized: view
description: >-
  One row an order, as last corrected. Returns are negative amounts and count like any other order.
  Amounts are in the order's own currency; an installation with several currencies that wants sums
  in one of them replaces this model by one that converts.
columns:
  source: {description: The source the order came from., data_tests: [not_null]}
  order_id: {description: The number the source gave the order., data_tests: [unique]}
  person_id:
    description: Who bought; null when the till did not know.
    data_tests: [{relationships: {to: profiles, field: person_id}}]
  ordered_at: {description: When it was ordered.}
  amount: {description: What was paid for the whole order; negative for a return.}
  quantity: {description: How many pieces.}
  channel: {description: "Where it was ordered: store, web, app and the like."}
  store: {description: The shop.}
  category: {description: What kind of goods.}
  currency: {description: The ISO 4217 code of the amount's currency.}
  note: {description: Free text; may hold anything.}
*/
{% if has_source('pos_orders') %}
select
  'pos_orders' as source,
  order_id,
  person_id,
  ordered_at,
  amount,
  {{ column('pos_orders', 'quantity', 'bigint') }} as quantity,
  {{ column('pos_orders', 'channel', 'varchar') }} as channel,
  {{ column('pos_orders', 'store', 'varchar') }} as store,
  {{ column('pos_orders', 'category', 'varchar') }} as category,
  {{ column('pos_orders', 'currency', 'varchar') }} as currency,
  {{ column('pos_orders', 'note', 'varchar') }} as note
from {{ source('pos_orders') }}
{% else %}
select
  cast(null as varchar) as source,
  cast(null as varchar) as order_id,
  cast(null as bigint) as person_id,
  arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as ordered_at,
  cast(null as decimal(12, 2)) as amount,
  cast(null as bigint) as quantity,
  cast(null as varchar) as channel,
  cast(null as varchar) as store,
  cast(null as varchar) as category,
  cast(null as varchar) as currency,
  cast(null as varchar) as note
where false
{% endif %}
