-- Grafana's PostgreSQL source over pgx: its health check, what its query builder reads of the schema,
-- and statements of panels with their macros expanded; all by the simple protocol but for those with
-- parameters.
-- Restated from pkg/tsdb/grafana-postgresql-datasource/{macros.go,schema.go,sqleng/sql_engine_pgx.go}
-- and public/app/plugins/datasource/grafana-postgresql-datasource/postgresMetaQuery.ts of
-- grafana/grafana.
-- protocol: simple

-- name: health
-- empty: -- ping

-- name: version
SELECT current_setting('server_version_num')::int/100 as version

-- name: extension
SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'

-- name: schemas
SELECT schema_name AS "name" FROM information_schema.schemata
WHERE schema_name NOT IN ('information_schema', 'pg_catalog', 'pg_toast', '_timescaledb_cache')
ORDER BY schema_name

-- name: tables of a schema
-- rows: with orders kinds
SELECT quote_ident(table_name) AS "table" FROM information_schema.tables
WHERE quote_ident(table_schema) = 'customer' ORDER BY 1

-- name: tables by search path
-- rows: with orders kinds
SELECT
    CASE WHEN quote_ident(table_schema) IN (
          SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
          FROM generate_series(
              array_lower(string_to_array(current_setting('search_path'),','),1),
              array_upper(string_to_array(current_setting('search_path'),','),1)
            ) as i,
            string_to_array(current_setting('search_path'),',') s
          )
      THEN quote_ident(table_name)
      ELSE quote_ident(table_schema) || '.' || quote_ident(table_name)
    END AS "table"
FROM information_schema.tables
WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog')
ORDER BY 1

-- name: columns of a table
SELECT quote_ident(column_name) AS "column", data_type AS "type" FROM information_schema.columns
WHERE CASE WHEN array_length(parse_ident('customer.orders'),1) = 2
    THEN quote_ident(table_schema) = (parse_ident('customer.orders'))[1]
      AND quote_ident(table_name) = (parse_ident('customer.orders'))[2]
    ELSE quote_ident(table_name) = 'customer.orders'
  END

-- name: by day
SELECT floor(extract(epoch from ordered_at)/86400)*86400 AS "time", sum(amount) AS "revenue" FROM customer.orders WHERE ordered_at BETWEEN '2026-03-01T00:00:00Z' AND '2026-03-31T23:59:59.999Z' GROUP BY 1 ORDER BY 1

-- name: by minutes and store
SELECT floor(extract(epoch from ordered_at)/300)*300 AS "time", store AS metric, count(*) AS "value" FROM customer.orders WHERE ordered_at BETWEEN '2026-03-01T00:00:00Z' AND '2026-03-31T23:59:59.999Z' GROUP BY "time", store ORDER BY 1, 2

-- name: by epoch
SELECT extract(epoch from ordered_at) as "time", amount FROM customer.orders WHERE extract(epoch from ordered_at) >= 1772000000 AND extract(epoch from ordered_at) <= 1773000000 ORDER BY 1

-- name: times as they are
SELECT ordered_at AS "time", amount::float8 AS value, store FROM customer.orders WHERE ordered_at BETWEEN '2026-03-01T00:00:00Z' AND '2026-03-02T12:00:00.5Z' ORDER BY 1

-- name: change
SELECT order_id, amount - lag(amount) OVER (ORDER BY order_id) AS change FROM customer.orders ORDER BY 1

-- name: variable
SELECT DISTINCT store FROM customer.orders ORDER BY store

-- name: variable of pairs
SELECT store AS __text, max(order_id) AS __value FROM customer.orders GROUP BY store ORDER BY 1

-- name: builder
-- rows: sorted
SELECT sum(amount), store FROM customer.orders WHERE (store = 'berlin' AND amount >= 5) GROUP BY store LIMIT 50

-- name: values
-- rows: sorted
SELECT 'store' AS col_name, "store"::text AS val FROM (SELECT DISTINCT "store" FROM "customer"."orders" WHERE "store" IS NOT NULL ORDER BY "store" LIMIT 100) sub_0 UNION ALL SELECT 'quantity' AS col_name, "quantity"::text AS val FROM (SELECT DISTINCT "quantity" FROM "customer"."orders" WHERE "quantity" IS NOT NULL ORDER BY "quantity" LIMIT 100) sub_1

-- name: annotation
SELECT extract(epoch from ordered_at) AS time, extract(epoch from updated_at) AS timeend, order_id AS text, store || ',' || channel AS tags FROM customer.orders ORDER BY 1 LIMIT 1

-- protocol: binary

-- name: listed
-- parameters: customer
-- rows: with orders kinds
SELECT table_name FROM information_schema.tables WHERE table_schema = $1 AND table_type IN ('BASE TABLE', 'VIEW') ORDER BY table_name

-- name: described
-- parameters: customer | kinds
SELECT column_name, data_type, udt_name, numeric_precision, numeric_scale FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position
