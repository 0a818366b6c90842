-- Metabase over JDBC: how it begins, how it reads what there is, and statements of its query builder.
-- Restated from src/metabase/driver/postgres.clj of metabase/metabase: the same relations, joins,
-- functions and conditions, as its builder writes them.
-- protocol: extended

-- name: zone of the server
show timezone

-- name: zone
SET SESSION TIMEZONE TO 'UTC'

-- name: read only
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY

-- name: alive
SELECT 1

-- name: tables
-- parameters: customer
-- rows: with orders kinds
-- hide: estimated_row_count
SELECT "n"."nspname" AS "schema", "c"."relname" AS "name", CASE "c"."relkind" WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'PARTITIONED TABLE' WHEN 'v' THEN 'VIEW' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE NULL END AS "type", "d"."description" AS "description", "stat"."n_live_tup" AS "estimated_row_count" FROM "pg_catalog"."pg_class" AS "c" INNER JOIN "pg_catalog"."pg_namespace" AS "n" ON "c"."relnamespace" = "n"."oid" LEFT JOIN "pg_catalog"."pg_description" AS "d" ON ("c"."oid" = "d"."objoid") AND ("d"."objsubid" = 0) AND ("d"."classoid" = 'pg_class'::regclass) LEFT JOIN "pg_stat_user_tables" AS "stat" ON ("n"."nspname" = "stat"."schemaname") AND ("c"."relname" = "stat"."relname") WHERE ("c"."relnamespace" = "n"."oid") AND ("n"."nspname" !~ '^pg_') AND ("n"."nspname" <> 'information_schema') AND c.relkind in ('r', 'p', 'v', 'f', 'm') AND ("n"."nspname" IN ($1)) ORDER BY "type" ASC, "schema" ASC, "name" ASC

-- name: privileges
-- rows: with orders kinds
with table_privileges as (
 select
   NULL as role,
   t.schemaname as schema,
   t.objectname as table,
   pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"',  'update') as update,
   pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"',  'select') as select,
   pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"',  'insert') as insert,
   pg_catalog.has_table_privilege(     current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"',  'delete') as delete
 from (
   select schemaname, tablename as objectname from pg_catalog.pg_tables
   union
   select schemaname, viewname as objectname from pg_catalog.pg_views
   union
   select schemaname, matviewname as objectname from pg_catalog.pg_matviews
 ) t
 where t.schemaname !~ '^pg_'
   and t.schemaname <> 'information_schema'
   and pg_catalog.has_schema_privilege(current_user, t.schemaname, 'usage')
)
select t.*
from table_privileges t

-- name: enumerations
SELECT nspname, typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid IN (SELECT DISTINCT enumtypid FROM pg_enum e)

-- name: fields
-- parameters: customer | orders
SELECT "c"."column_name" AS "name", CASE WHEN "c"."udt_schema" IN ('public', 'pg_catalog') THEN FORMAT('%s', "c"."udt_name") ELSE FORMAT('"%s"."%s"', "c"."udt_schema", "c"."udt_name") END AS "database-type", "c"."ordinal_position" - 1 AS "database-position", "c"."table_schema" AS "table-schema", "c"."table_name" AS "table-name", "pk"."column_name" IS NOT NULL AS "pk?", COL_DESCRIPTION(CAST(CAST(FORMAT('%I.%I', CAST("c"."table_schema" AS TEXT), CAST("c"."table_name" AS TEXT)) AS REGCLASS) AS OID), "c"."ordinal_position") AS "field-comment", (("column_default" IS NULL) OR (LOWER("column_default") = 'null')) AND ("is_nullable" = 'NO') AND NOT ((("column_default" IS NOT NULL) AND ("column_default" LIKE '%nextval(%')) OR ("is_identity" <> 'NO')) AS "database-required", (("column_default" IS NOT NULL) AND ("column_default" LIKE '%nextval(%')) OR ("is_identity" <> 'NO') AS "database-is-auto-increment" FROM "information_schema"."columns" AS "c" LEFT JOIN (SELECT "tc"."table_schema", "tc"."table_name", "kc"."column_name" FROM "information_schema"."table_constraints" AS "tc" INNER JOIN "information_schema"."key_column_usage" AS "kc" ON ("tc"."constraint_name" = "kc"."constraint_name") AND ("tc"."table_schema" = "kc"."table_schema") AND ("tc"."table_name" = "kc"."table_name") WHERE "tc"."constraint_type" = 'PRIMARY KEY') AS "pk" ON ("c"."table_schema" = "pk"."table_schema") AND ("c"."table_name" = "pk"."table_name") AND ("c"."column_name" = "pk"."column_name") WHERE c.table_schema !~ '^information_schema|catalog_history|pg_' AND ("c"."table_schema" IN ($1)) AND ("c"."table_name" IN ($2)) UNION ALL SELECT "pa"."attname" AS "name", CASE WHEN "ptn"."nspname" IN ('public', 'pg_catalog') THEN FORMAT('%s', "pt"."typname") ELSE FORMAT('"%s"."%s"', "ptn"."nspname", "pt"."typname") END AS "database-type", "pa"."attnum" - 1 AS "database-position", "pn"."nspname" AS "table-schema", "pc"."relname" AS "table-name", FALSE AS "pk?", NULL AS "field-comment", FALSE AS "database-required", FALSE AS "database-is-auto-increment" FROM "pg_catalog"."pg_class" AS "pc" INNER JOIN "pg_catalog"."pg_namespace" AS "pn" ON "pn"."oid" = "pc"."relnamespace" INNER JOIN "pg_catalog"."pg_attribute" AS "pa" ON "pa"."attrelid" = "pc"."oid" INNER JOIN "pg_catalog"."pg_type" AS "pt" ON "pt"."oid" = "pa"."atttypid" INNER JOIN "pg_catalog"."pg_namespace" AS "ptn" ON "ptn"."oid" = "pt"."typnamespace" WHERE ("pc"."relkind" = 'm') AND ("pa"."attnum" >= 1) AND ("pn"."nspname" IN ($1)) AND ("pc"."relname" IN ($2)) ORDER BY "table-schema" ASC, "table-name" ASC, "database-position" ASC

-- name: foreign keys
-- parameters: customer
SELECT "fk_ns"."nspname" AS "fk-table-schema", "fk_table"."relname" AS "fk-table-name", "fk_column"."attname" AS "fk-column-name", "pk_ns"."nspname" AS "pk-table-schema", "pk_table"."relname" AS "pk-table-name", "pk_column"."attname" AS "pk-column-name" FROM "pg_constraint" AS "c" INNER JOIN "pg_class" AS "fk_table" ON "c"."conrelid" = "fk_table"."oid" INNER JOIN "pg_namespace" AS "fk_ns" ON "c"."connamespace" = "fk_ns"."oid" INNER JOIN "pg_attribute" AS "fk_column" ON "c"."conrelid" = "fk_column"."attrelid" INNER JOIN "pg_class" AS "pk_table" ON "c"."confrelid" = "pk_table"."oid" INNER JOIN "pg_namespace" AS "pk_ns" ON "pk_table"."relnamespace" = "pk_ns"."oid" INNER JOIN "pg_attribute" AS "pk_column" ON "c"."confrelid" = "pk_column"."attrelid" WHERE fk_ns.nspname !~ '^information_schema|catalog_history|pg_' AND ("c"."contype" = 'f'::char) AND ("fk_column"."attnum" = ANY(c.conkey)) AND ("pk_column"."attnum" = ANY(c.confkey)) AND ("fk_ns"."nspname" IN ($1)) ORDER BY "fk-table-schema" ASC, "fk-table-name" ASC

-- name: indexes
-- parameters: customer
SELECT "tmp"."table-schema", "tmp"."table-name", TRIM(BOTH '"' FROM PG_CATALOG.PG_GET_INDEXDEF("tmp"."ci_oid", "tmp"."pos", FALSE)) AS "field-name" FROM (SELECT "n"."nspname" AS "table-schema", "ct"."relname" AS "table-name", "ci"."oid" AS "ci_oid", (INFORMATION_SCHEMA._PG_EXPANDARRAY("i"."indkey")).n AS "pos" FROM "pg_catalog"."pg_class" AS "ct" INNER JOIN "pg_catalog"."pg_namespace" AS "n" ON "ct"."relnamespace" = "n"."oid" INNER JOIN "pg_catalog"."pg_index" AS "i" ON "ct"."oid" = "i"."indrelid" INNER JOIN "pg_catalog"."pg_class" AS "ci" ON "ci"."oid" = "i"."indexrelid" WHERE (PG_CATALOG.PG_GET_EXPR("i"."indpred", "i"."indrelid") IS NULL) AND n.nspname !~ '^information_schema|catalog_history|pg_' AND ("n"."nspname" IN ($1))) AS "tmp" WHERE "tmp"."pos" = 1

-- name: fingerprints
-- rows: sorted
-- Metabase
SELECT SUBSTRING("customer"."orders"."store" FROM 1 FOR 1234) AS "substring1", "customer"."orders"."amount" AS "amount" FROM "customer"."orders" LIMIT 10000

-- name: table
-- rows: sorted
-- Metabase:: userID: 1 queryType: MBQL queryHash: 0
SELECT "customer"."orders"."order_id" AS "order_id", "customer"."orders"."store" AS "store", "customer"."orders"."amount" AS "amount", "customer"."orders"."ordered_at" AS "ordered_at" FROM "customer"."orders" LIMIT 2000

-- name: count
SELECT COUNT(*) AS "count" FROM "customer"."orders"

-- name: by month
SELECT DATE_TRUNC('month', "customer"."orders"."ordered_at") AS "ordered_at", SUM("customer"."orders"."amount") AS "sum" FROM "customer"."orders" GROUP BY DATE_TRUNC('month', "customer"."orders"."ordered_at") ORDER BY DATE_TRUNC('month', "customer"."orders"."ordered_at") ASC

-- name: by day
SELECT CAST("customer"."orders"."ordered_at" AS date) AS "ordered_at", COUNT(*) AS "count" FROM "customer"."orders" GROUP BY CAST("customer"."orders"."ordered_at" AS date) ORDER BY CAST("customer"."orders"."ordered_at" AS date) ASC

-- name: by week from Sunday
SELECT CAST(DATE_TRUNC('week', ("customer"."orders"."ordered_at" + INTERVAL '1 day')) AS date) + INTERVAL '-1 day' AS "ordered_at", COUNT(*) AS "count" FROM "customer"."orders" GROUP BY 1 ORDER BY 1 ASC

-- name: by day of week
SELECT CASE WHEN (CAST(EXTRACT(dow from "customer"."orders"."ordered_at") AS integer) + 1) % 7 = 0 THEN 7 ELSE (CAST(EXTRACT(dow from "customer"."orders"."ordered_at") AS integer) + 1) % 7 END AS "dow", COUNT(*) AS "count" FROM "customer"."orders" GROUP BY 1 ORDER BY 1 ASC

-- name: of a time
-- parameters: 2026-03-02 00:00:00+00 | 2026-03-03 00:00:00+00
-- types: 1184 1184
SELECT COUNT(*) AS "count" FROM "customer"."orders" WHERE ("customer"."orders"."ordered_at" >= $1) AND ("customer"."orders"."ordered_at" < $2)

-- name: of late
-- rows: none
SELECT COUNT(*) AS "count" FROM "customer"."orders" WHERE "customer"."orders"."ordered_at" >= DATE_TRUNC('day', (NOW() + INTERVAL '-30 day'))

-- name: of texts
-- parameters: %er%
SELECT COUNT(*) AS "count" FROM "customer"."orders" WHERE LOWER("customer"."orders"."store") LIKE $1

-- name: median
SELECT PERCENTILE_CONT(0.5) within group (order by "customer"."orders"."amount") AS "median" FROM "customer"."orders"

-- name: distance in time
SELECT CAST(EXTRACT(year from AGE(DATE_TRUNC('day', timestamp '2026-03-01'), DATE_TRUNC('day', timestamp '2020-01-31'))) AS integer) AS "years"

-- name: in another zone
SELECT TIMEZONE('Europe/Berlin', "customer"."orders"."ordered_at") AS "told" FROM "customer"."orders" ORDER BY 1

-- name: text to time
SELECT TO_TIMESTAMP('20260329143000', 'YYYYMMDDHH24MISS') AS "moment"

-- name: number to time
SELECT TO_TIMESTAMP(1772323200) AS "moment"

-- name: role
SET ROLE NONE

-- name: not there
SELECT TRUE AS "_" FROM "customer"."nowhere" WHERE 1 <> 1 LIMIT 0
