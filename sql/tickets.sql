/* custos
materialized: view
description: One row a question or complaint at the help desk.
columns:
  source: {description: The source the ticket came from., data_tests: [not_null]}
  ticket_id: {description: The number the source gave the ticket., data_tests: [unique]}
  person_id:
    description: Who asked.
    data_tests: [{relationships: {to: profiles, field: person_id}}]
  subject: {description: Free text; may hold anything.}
  body: {description: Free text; may hold anything.}
  priority: {description: How urgent the desk found it.}
  status: {description: Whether it is open or closed.}
  csat:
    description: How content the customer was with the answer, from 1 to 5.
    data_tests: [{accepted_values: [1, 2, 3, 4, 5]}]
  opened_at: {description: When it was opened.}
  closed_at: {description: When it was closed; null while it is open.}
*/
{% if has_source('support_tickets') %}
select
  'support_tickets' as source,
  ticket_id,
  person_id,
  {{ column('support_tickets', 'subject', 'varchar') }} as subject,
  {{ column('support_tickets', 'body', 'varchar') }} as body,
  {{ column('support_tickets', 'priority', 'varchar') }} as priority,
  {{ column('support_tickets', 'status', 'varchar') }} as status,
  {{ column('support_tickets', 'csat', 'bigint') }} as csat,
  opened_at,
  {{ column('support_tickets', 'closed_at', 'timestamp') }} as closed_at
from {{ source('support_tickets') }}
{% else %}
select
  cast(null as varchar) as source,
  cast(null as varchar) as ticket_id,
  cast(null as bigint) as person_id,
  cast(null as varchar) as subject,
  cast(null as varchar) as body,
  cast(null as varchar) as priority,
  cast(null as varchar) as status,
  cast(null as bigint) as csat,
  arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as opened_at,
  arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as closed_at
where false
{% endif %}
