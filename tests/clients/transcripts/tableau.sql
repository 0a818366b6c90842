-- Tableau over psqlODBC with cursors: what it tries when it connects, how it reads, what it computes.
-- Restated from logs in crate/crate, issues 10212 and 10213, cube-js/cube, issue 10721, and
-- ildus/clickhouse_fdw, issue 42; expressions are those that samples/plugins/postgres_odbc/dialect.tdd
-- of tableau/connector-plugin-sdk maps Tableau's functions to.
-- protocol: simple

-- name: settings
SET DateStyle = 'ISO';SET extra_float_digits = 2;show transaction_isolation

-- name: isolation
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED

-- name: messages
set client_encoding to 'UTF8'

-- name: try temporary table
BEGIN;CREATE LOCAL TEMPORARY TABLE "#Tableau_1_1_Connect_Check" ("COL" INTEGER) ON COMMIT PRESERVE ROWS

-- name: try temporary table undone
ROLLBACK

-- name: try dropping it
DROP TABLE "#Tableau_1_1_Connect_Check"

-- name: try select into
SELECT * INTO TEMPORARY TABLE "#Tableau_1_2_Connect_CheckSelectInto" FROM (SELECT 1 AS COL) AS CHECKTEMP LIMIT 1

-- name: try subquery
SELECT "SUBCOL" AS "COL" FROM (SELECT 1 AS "SUBCOL") "SUBQUERY" GROUP BY 1

-- name: try subquery by a number too high
SELECT "SUBCOL" AS "COL" FROM (SELECT 1 AS "SUBCOL") "SUBQUERY" GROUP BY 2

-- name: try top
SELECT 1 AS "COL" FROM (SELECT 1 AS "SUBCOL") "SUBQUERY" HAVING COUNT(1)>0 LIMIT 1

-- name: read by cursor
BEGIN;declare "SQL_CUR0x7f0001" cursor with hold for SELECT "orders"."order_id" AS "order_id", "orders"."store" AS "store", "orders"."amount" AS "amount", "orders"."ordered_at" AS "ordered_at" FROM "customer"."orders" "orders" ORDER BY 1 ASC LIMIT 1000;fetch 2 in "SQL_CUR0x7f0001"

-- name: read on
fetch 10000 in "SQL_CUR0x7f0001"

-- name: read to the end
fetch 10000 in "SQL_CUR0x7f0001"

-- name: cursor closed
close "SQL_CUR0x7f0001";commit

-- name: held beyond the transaction
BEGIN;declare "SQL_CUR0x7f0002" cursor with hold for SELECT CAST("orders"."store" AS TEXT) AS "store" FROM "customer"."orders" "orders" GROUP BY 1 ORDER BY 1 ASC NULLS FIRST;fetch 1 in "SQL_CUR0x7f0002"

-- name: committed
COMMIT

-- name: read after it
fetch 10000 in "SQL_CUR0x7f0002"

-- name: closed after it
close "SQL_CUR0x7f0002"

-- name: binary cursor
BEGIN;declare "SQL_CUR0x7f0003" binary cursor for SELECT "orders"."quantity" AS "quantity" FROM "customer"."orders" "orders" ORDER BY 1;fetch 1 in "SQL_CUR0x7f0003";close "SQL_CUR0x7f0003";COMMIT

-- name: total
SELECT SUM("orders"."amount") AS "sum:amount:ok", COUNT(1) AS "cnt:orders:ok" FROM "customer"."orders" "orders" HAVING (COUNT(1) > 0)

-- name: by store
-- rows: sorted
SELECT CAST("orders"."store" AS TEXT) AS "store", SUM("orders"."amount") AS "sum:amount:ok", COUNT(DISTINCT "orders"."order_id") AS "ctd:order_id:ok" FROM "customer"."orders" "orders" WHERE (("orders"."store" >= 'a') AND ("orders"."store" IN ('berlin', 'paris'))) GROUP BY 1

-- name: by month
-- rows: sorted
SELECT CAST(DATE_TRUNC('MONTH', CAST("orders"."ordered_at" AS TIMESTAMP)) AS DATE) AS "tmn:ordered_at:ok", SUM("orders"."amount") AS "sum:amount:ok" FROM "customer"."orders" "orders" GROUP BY 1

-- name: by week of year
-- rows: sorted
SELECT CAST(FLOOR((7 + EXTRACT(DOY FROM "ordered_at") - 1 + EXTRACT(DOW FROM DATE_TRUNC('YEAR', "ordered_at"))) / 7) AS INTEGER) AS "wk", COUNT(1) AS "n" FROM "customer"."orders" GROUP BY 1

-- name: parts of times
SELECT CAST(EXTRACT(YEAR FROM "ordered_at") AS INTEGER) AS "yr", CAST(EXTRACT(QUARTER FROM "ordered_at") AS INTEGER) AS "qr", CAST(EXTRACT(DAY FROM "ordered_at") AS INTEGER) AS "dy" FROM "customer"."orders" ORDER BY 3

-- name: times moved
SELECT DATE_TRUNC('DAY', "ordered_at") + 3 * INTERVAL '1 DAY' AS "later" FROM "customer"."orders" ORDER BY 1

-- name: date of a number
SELECT date_trunc('day', CAST('1900-01-01' AS DATE) + 45000 * INTERVAL '1 DAY') AS "day"

-- name: times told
SELECT TO_CHAR("ordered_at", 'FMMonth') AS "month", TO_CHAR("ordered_at", 'YYYY-MM-DD HH24:MI:SS') AS "told" FROM "customer"."orders" ORDER BY 2

-- name: dates read
SELECT TO_DATE('2026-03-29', 'YYYY-MM-DD') AS "day", TO_TIMESTAMP('29.03.2026 14:05', 'DD.MM.YYYY HH24:MI') AS "moment"

-- name: texts
SELECT (STRPOS(CAST("store" AS TEXT), CAST('er' AS TEXT)) > 0) AS "has", BTRIM(CAST("store" AS TEXT), ' ') AS "trimmed", SUBSTR(CAST("store" AS TEXT), GREATEST(1, CAST(FLOOR(2) AS INTEGER)), GREATEST(0, CAST(FLOOR(3) AS INTEGER))) AS "part", LENGTH(CAST("store" AS TEXT)) AS "length", ASCII(CAST("store" AS TEXT)) AS "code", REPLACE(CAST("store" AS TEXT), CAST('e' AS TEXT), CAST('E' AS TEXT)) AS "changed", SPLIT_PART("store", 'r', 1) AS "before" FROM "customer"."orders" WHERE "order_id" = 'o1'

-- name: patterns
SELECT ("store" ~ '^b.*n$') AS "is", REGEXP_REPLACE("store", '[aeiou]', '*', 'g') AS "changed", (SELECT (REGEXP_MATCHES("store", '(b)(.)'))[2]) AS "found" FROM "customer"."orders" WHERE "order_id" = 'o1'

-- name: numbers
SELECT ROUND(CAST("amount" AS NUMERIC), CAST(1 AS INTEGER)) AS "rounded", CAST(CEIL("amount") AS BIGINT) AS "up", CAST(FLOOR("amount") AS BIGINT) AS "down", (CASE WHEN "amount" > 0 THEN LN("amount") > 1 ELSE NULL END) AS "ln", ("quantity"^2) AS "square", CAST(SIGN("amount") AS SMALLINT) AS "sign", ABS("amount") AS "abs", CASE WHEN 0 = 0 THEN NULL ELSE ( 7 / 2 ) END AS "nothing" FROM "customer"."orders" WHERE "order_id" = 'o1'

-- name: spread
SELECT ROUND(CAST(STDDEV_SAMP("amount") AS NUMERIC), 4) AS "std", ROUND(CAST(VAR_POP("amount") AS NUMERIC), 4) AS "var", PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY "amount") AS "median" FROM "customer"."orders"

-- name: joined
SELECT "a"."store" AS "store", "t"."n" AS "n" FROM "customer"."orders" "a" INNER JOIN ( SELECT "orders"."store" AS "store", COUNT(1) AS "n" FROM "customer"."orders" "orders" GROUP BY 1 ) "t" ON (("a"."store" = "t"."store") OR (("a"."store" IS NULL) AND ("t"."store" IS NULL))) WHERE "a"."order_id" = 'o1'

-- name: top stores
SELECT "orders"."store" AS "store", SUM("orders"."amount") AS "$__alias__0" FROM "customer"."orders" "orders" GROUP BY 1 ORDER BY 2 DESC NULLS LAST, 1 ASC NULLS FIRST LIMIT 10

-- name: now
-- rows: none
SELECT CURRENT_TIMESTAMP AS "now", CURRENT_DATE AS "today"
