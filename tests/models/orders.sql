/* custos
materialized: view
description: One row an invoice of the Online Retail data set; cancelled ones are negative.
columns:
  order_id: {description: The invoice.}
*/
select
  'online_retail' as source,
  invoice_no as order_id,
  max(person_id) as person_id,
  max(invoiced_at) as ordered_at,
  sum(quantity * unit_price) as amount,
  sum(quantity) as quantity,
  cast(null as varchar) as channel,
  cast(null as varchar) as store,
  cast(null as varchar) as category,
  'GBP' as currency,
  cast(null as varchar) as note
from {{ source('online_retail') }}
group by invoice_no
