/* custos
materialized: view
description: One row an answer to the question how likely somebody is to recommend us.
columns:
  source: {description: The source the answer came from., data_tests: [not_null]}
  response_id: {description: The number the source gave the answer., data_tests: [unique]}
  person_id:
    description: Who answered.
    data_tests: [{relationships: {to: profiles, field: person_id}}]
  platform: {description: Where it was asked.}
  nps:
    description: The likelihood from 0 to 10.
    data_tests: [{accepted_values: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}]
  nps_group:
    description: "promoter from 9, passive from 7, detractor below; null without an answer."
    data_tests: [{accepted_values: [promoter, passive, detractor]}]
  comment: {description: Free text; may hold anything.}
  answered_at: {description: When it was answered.}
*/
{% if has_source('community_survey') %}
select
  'community_survey' as source,
  response_id,
  person_id,
  {{ column('community_survey', 'platform', 'varchar') }} as platform,
  nps,
  case when nps >= 9 then 'promoter' when nps >= 7 then 'passive' when nps >= 0 then 'detractor' end as nps_group,
  {{ column('community_survey', 'comment', 'varchar') }} as comment,
  answered_at
from {{ source('community_survey') }}
{% else %}
select
  cast(null as varchar) as source,
  cast(null as varchar) as response_id,
  cast(null as bigint) as person_id,
  cast(null as varchar) as platform,
  cast(null as bigint) as nps,
  cast(null as varchar) as nps_group,
  cast(null as varchar) as comment,
  arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as answered_at
where false
{% endif %}
