/* custos
materialized: view
description: Orders, for clients.
*/
select person_id, subject_id, order_id, store, channel, category, quantity, amount, currency, ordered_at, updated_at
from {{ source('pos_orders') }}
