// JDBC: metadata, values in text and binary, all setters, cursors, COPY, cancelling.

import java.io.ByteArrayOutputStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.Array;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Time;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TimeZone;
import java.util.TreeMap;
import java.util.UUID;
import org.postgresql.PGConnection;
import org.postgresql.PGStatement;
import org.postgresql.copy.CopyManager;

public class Jdbc {
    static final String KINDS = "SELECT * FROM customer.kinds ORDER BY whole NULLS LAST";
    static final String ORDERS = "SELECT * FROM customer.orders ORDER BY order_id LIMIT 5";
    static final String SERIES = "SELECT n FROM generate_series(1, 5) AS n ORDER BY n";
    static final String ENDLESS =
            "SELECT count(*) FROM generate_series(1, 200000) AS a(n), generate_series(1, 200000) AS b(n) "
            + "WHERE (a.n * b.n) % 7 = 3";

    static final List<String> KINDS_COLUMNS = List.of(
            "flag", "small", "whole", "big", "ratio4", "ratio8", "exact", "words", "raw", "day", "clock",
            "moment", "instant", "span", "numbers", "tags", "document");

    // A program that waits longer than this has met a server that does not answer.
    static final long PATIENCE_MS = 150_000;

    interface Check {
        Object run(Connection connection) throws Exception;
    }

    interface Call {
        Object run() throws Exception;
    }

    interface Setter {
        void set(PreparedStatement statement) throws SQLException;
    }

    static String setting(String name, String otherwise) {
        String value = System.getenv(name);
        if (value == null && otherwise == null) {
            throw new IllegalStateException(name + " is not set");
        }
        return value == null ? otherwise : value;
    }

    static Connection connect(String... more) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", setting("PGUSER", null));
        properties.setProperty("password", setting("PGPASSWORD", null));
        properties.setProperty("sslmode", setting("PGSSLMODE", "prefer"));
        properties.setProperty("connectTimeout", "25");
        properties.setProperty("socketTimeout", "25");
        for (int at = 0; at < more.length; at += 2) {
            properties.setProperty(more[at], more[at + 1]);
        }
        String url = "jdbc:postgresql://" + setting("PGHOST", null) + ":" + setting("PGPORT", "5432")
                + "/" + setting("PGDATABASE", null);
        return DriverManager.getConnection(url, properties);
    }

    static Object failed(Exception error) {
        if (System.getenv("CLIENTS_VERBOSE") != null) {
            System.err.println(error);
        }
        Map<String, Object> told = new LinkedHashMap<>();
        told.put("error", error.getClass().getSimpleName());
        told.put("sqlstate", error instanceof SQLException sql ? sql.getSQLState() : null);
        return told;
    }

    static Object attempt(Call call) {
        try {
            return call.run();
        } catch (Exception error) {
            return failed(error);
        }
    }

    // The value with the name of its type.
    static Object typed(Object value) throws SQLException {
        if (value == null || value instanceof Boolean) {
            return value;
        }
        if (value instanceof byte[] bytes) {
            return "byte[] " + HexFormat.of().formatHex(bytes);
        }
        if (value instanceof Array array) {
            return List.of(array.getBaseTypeName(), String.valueOf(Arrays.asList((Object[]) array.getArray())));
        }
        return value.getClass().getSimpleName() + " " + value;
    }

    static List<Object> columns(ResultSetMetaData meta) throws SQLException {
        List<Object> columns = new ArrayList<>();
        for (int at = 1; at <= meta.getColumnCount(); at++) {
            columns.add(Arrays.asList(meta.getColumnName(at), meta.getColumnTypeName(at), meta.getColumnType(at),
                    meta.getPrecision(at), meta.getScale(at), meta.getColumnDisplaySize(at),
                    meta.getColumnClassName(at), meta.isNullable(at), meta.isSigned(at),
                    meta.isAutoIncrement(at), meta.getTableName(at), meta.getSchemaName(at)));
        }
        return columns;
    }

    static List<Object> rows(ResultSet found) throws SQLException {
        List<Object> rows = new ArrayList<>();
        int width = found.getMetaData().getColumnCount();
        while (found.next()) {
            List<Object> row = new ArrayList<>();
            for (int at = 1; at <= width; at++) {
                row.add(typed(found.getObject(at)));
            }
            rows.add(row);
        }
        return rows;
    }

    static Object select(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet found = statement.executeQuery(sql)) {
            return rows(found);
        }
    }

    // The same statement until the driver asks for binary values.
    static Object prepared(Connection connection, String sql, Setter setter) throws SQLException {
        List<Object> answers = new ArrayList<>();
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.unwrap(PGStatement.class).setPrepareThreshold(1);
            for (int run = 0; run < 3; run++) {
                setter.set(statement);
                try (ResultSet found = statement.executeQuery()) {
                    List<Object> rows = rows(found);
                    if (!answers.contains(rows)) {
                        answers.add(rows);
                    }
                }
            }
        }
        // One answer if text and binary tell the same.
        return answers;
    }

    // What a call of the metadata returns: these columns only.
    static List<Object> listed(ResultSet found, String... names) throws SQLException {
        List<Object> rows = new ArrayList<>();
        while (found.next()) {
            Map<String, Object> row = new LinkedHashMap<>();
            for (String name : names) {
                row.put(name, typed(found.getObject(name)));
            }
            rows.add(row);
        }
        return rows;
    }

    static List<String> strings(ResultSet found, String name) throws SQLException {
        List<String> all = new ArrayList<>();
        while (found.next()) {
            all.add(found.getString(name));
        }
        return all;
    }

    static Object metadata(Connection connection) throws SQLException {
        DatabaseMetaData meta = connection.getMetaData();
        Map<String, Object> told = new TreeMap<>();
        told.put("catalogs", strings(meta.getCatalogs(), "TABLE_CAT").contains(setting("PGDATABASE", null)));
        List<String> schemas = strings(meta.getSchemas(), "TABLE_SCHEM");
        // Those that begin with `pg_` are the server's own.
        schemas.removeIf(name -> name.startsWith("pg_") && !name.equals("pg_catalog"));
        told.put("schemas", schemas);
        told.put("schemas by name", strings(meta.getSchemas(null, "cust%"), "TABLE_SCHEM"));
        told.put("table types", strings(meta.getTableTypes(), "TABLE_TYPE"));
        String[] of = {"TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE", "REMARKS"};
        told.put("tables", listed(meta.getTables(null, "customer", "%", null), of));
        told.put("views", listed(meta.getTables(null, "customer", "o%", new String[] {"VIEW"}), of));
        told.put("only tables", listed(meta.getTables(null, "customer", "%", new String[] {"TABLE"}), of));
        told.put("tables and views", listed(
                meta.getTables(null, null, "orders", new String[] {"TABLE", "VIEW", "FOREIGN TABLE"}), of));
        String[] columns = {"TABLE_SCHEM", "TABLE_NAME", "COLUMN_NAME", "DATA_TYPE", "TYPE_NAME", "COLUMN_SIZE",
            "DECIMAL_DIGITS", "NUM_PREC_RADIX", "NULLABLE", "REMARKS", "COLUMN_DEF", "CHAR_OCTET_LENGTH",
            "ORDINAL_POSITION", "IS_NULLABLE", "IS_AUTOINCREMENT", "IS_GENERATEDCOLUMN"};
        told.put("columns of orders", listed(meta.getColumns(null, "customer", "orders", "%"), columns));
        told.put("columns of kinds", listed(meta.getColumns(null, "customer", "kinds", "%"), columns));
        told.put("columns by name", listed(meta.getColumns(null, null, "ord%", "%\\_at"), columns));
        told.put("primary keys", listed(meta.getPrimaryKeys(null, "customer", "orders"), "COLUMN_NAME"));
        told.put("imported keys", listed(meta.getImportedKeys(null, "customer", "orders"), "FKCOLUMN_NAME"));
        told.put("exported keys", listed(meta.getExportedKeys(null, "customer", "orders"), "FKCOLUMN_NAME"));
        told.put("indexes", listed(meta.getIndexInfo(null, "customer", "orders", false, true), "INDEX_NAME"));
        told.put("best rows", listed(meta.getBestRowIdentifier(null, "customer", "orders", 0, true), "COLUMN_NAME"));
        told.put("functions", strings(meta.getFunctions(null, "customer", "%"), "FUNCTION_NAME"));
        told.put("procedures", strings(meta.getProcedures(null, "customer", "%"), "PROCEDURE_NAME"));
        told.put("length", Set.copyOf(strings(meta.getFunctions(null, "pg_catalog", "length"), "FUNCTION_NAME")).toString());
        told.put("user types", strings(meta.getUDTs(null, "customer", "%", null), "TYPE_NAME"));
        told.put("sequences", strings(meta.getTables(null, "customer", "%", new String[] {"SEQUENCE"}), "TABLE_NAME"));
        return told;
    }

    static Object privileges(Connection connection) throws SQLException {
        DatabaseMetaData meta = connection.getMetaData();
        List<Object> own = new ArrayList<>();
        try (ResultSet found = meta.getTablePrivileges(null, "customer", "orders")) {
            while (found.next()) {
                if (found.getString("GRANTEE").equals(setting("PGUSER", null))) {
                    own.add(found.getString("PRIVILEGE"));
                }
            }
        }
        return own;
    }

    static Object types(Connection connection) throws SQLException {
        Set<String> basic = Set.of("bool", "int2", "int4", "int8", "float4", "float8", "numeric", "text", "varchar",
                "bpchar", "bytea", "date", "time", "timestamp", "timestamptz", "interval", "json", "jsonb", "uuid",
                "_int4", "_text", "oid", "name");
        Map<String, Object> told = new TreeMap<>();
        try (ResultSet found = connection.getMetaData().getTypeInfo()) {
            while (found.next()) {
                if (basic.contains(found.getString("TYPE_NAME"))) {
                    told.put(found.getString("TYPE_NAME"), Arrays.asList(found.getInt("DATA_TYPE"),
                            found.getInt("PRECISION"), found.getBoolean("CASE_SENSITIVE")));
                }
            }
        }
        return told;
    }

    static Object facts(Connection connection) throws SQLException {
        DatabaseMetaData meta = connection.getMetaData();
        return Arrays.asList(meta.getDatabaseProductName(), meta.getDatabaseMajorVersion(),
                meta.getIdentifierQuoteString(), meta.getMaxColumnNameLength(), meta.getMaxColumnsInIndex(),
                meta.getDefaultTransactionIsolation(), meta.supportsTransactions(), meta.isReadOnly(),
                connection.getSchema(), connection.getCatalog().equals(setting("PGDATABASE", null)),
                connection.isReadOnly(), connection.isValid(5), connection.getAutoCommit(),
                meta.getSQLKeywords().isEmpty(), connection.getHoldability());
    }

    static Object described(Connection connection) throws SQLException {
        Map<String, Object> told = new TreeMap<>();
        for (String sql : List.of(KINDS, ORDERS, "SELECT count(*) AS n, sum(amount), 'x', NULL FROM customer.orders")) {
            try (PreparedStatement statement = connection.prepareStatement(sql)) {
                told.put(sql, columns(statement.getMetaData()));
            }
        }
        String sql = "SELECT * FROM customer.orders WHERE amount > ? AND store = ? AND ordered_at < ? LIMIT ?";
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            List<String> names = new ArrayList<>();
            for (int at = 1; at <= statement.getParameterMetaData().getParameterCount(); at++) {
                names.add(statement.getParameterMetaData().getParameterTypeName(at));
            }
            told.put("parameters", names);
        }
        return told;
    }

    static Object kinds(Connection connection) {
        Map<String, Object> told = new TreeMap<>();
        for (String name : KINDS_COLUMNS) {
            String sql = "SELECT " + name + " FROM customer.kinds ORDER BY whole NULLS LAST";
            told.put(name, attempt(() -> prepared(connection, sql, statement -> { })));
        }
        return told;
    }

    static Object gettersOfOrders(Connection connection) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(
                "SELECT order_id, quantity, amount, ordered_at FROM customer.orders ORDER BY order_id LIMIT 1")) {
            statement.unwrap(PGStatement.class).setPrepareThreshold(1);
            List<Object> told = new ArrayList<>();
            for (int run = 0; run < 3; run++) {
                try (ResultSet found = statement.executeQuery()) {
                    found.next();
                    told.add(Arrays.asList(found.getString(2), found.getInt(2), found.getDouble(2),
                            found.getString(3), found.getBigDecimal(3).toPlainString(), found.getLong(3),
                            found.getString(4), found.getTimestamp(4).toInstant().toString(),
                            found.getObject(4, OffsetDateTime.class).toString(), found.getDate(4).toString(),
                            found.getBytes(1).length > 0, found.wasNull()));
                }
            }
            return told;
        }
    }

    static Map<String, Setter> setters(Connection connection) throws SQLException {
        Map<String, Setter> setters = new TreeMap<>();
        Array numbers = connection.createArrayOf("int4", new Integer[] {1, 2, null});
        Array words = connection.createArrayOf("text", new String[] {"a", null, "b \"c\""});
        setters.put("bool", s -> s.setBoolean(1, true));
        setters.put("int2", s -> s.setShort(1, (short) -32768));
        setters.put("int4", s -> s.setInt(1, 7));
        setters.put("int8", s -> s.setLong(1, 1L << 40));
        setters.put("float4", s -> s.setFloat(1, 1.5f));
        setters.put("float8", s -> s.setDouble(1, 0.1));
        setters.put("numeric", s -> s.setBigDecimal(1, new BigDecimal("12.340")));
        setters.put("text", s -> s.setString(1, "it's 茶 🍵 \\"));
        setters.put("bytea", s -> s.setBytes(1, new byte[] {0, (byte) 255}));
        setters.put("date", s -> s.setDate(1, Date.valueOf("2026-03-29")));
        setters.put("time", s -> s.setTime(1, Time.valueOf("08:09:10")));
        setters.put("timestamp", s -> s.setTimestamp(1, Timestamp.valueOf("2026-03-29 02:30:00.123")));
        setters.put("timestamptz", s -> s.setObject(1, OffsetDateTime.of(2026, 3, 29, 2, 30, 0, 0, ZoneOffset.ofHours(2))));
        setters.put("local date", s -> s.setObject(1, LocalDate.of(2026, 3, 29)));
        setters.put("local time", s -> s.setObject(1, LocalTime.of(8, 9, 10)));
        setters.put("local date time", s -> s.setObject(1, LocalDateTime.of(2026, 3, 29, 2, 30)));
        setters.put("uuid", s -> s.setObject(1, UUID.fromString("7f3a0000-0000-4000-8000-000000000001")));
        setters.put("int4[]", s -> s.setArray(1, numbers));
        setters.put("text[]", s -> s.setArray(1, words));
        setters.put("other", s -> s.setObject(1, "12", Types.OTHER));
        setters.put("null as integer", s -> s.setNull(1, Types.INTEGER));
        setters.put("null as text", s -> s.setNull(1, Types.VARCHAR));
        return setters;
    }

    static Object parameters(Connection connection) throws SQLException {
        Map<String, Object> told = new TreeMap<>();
        for (Map.Entry<String, Setter> entry : setters(connection).entrySet()) {
            told.put(entry.getKey(), attempt(() -> prepared(connection, "SELECT ? AS it", entry.getValue())));
        }
        String[] types = {"bool", "int2", "int4", "int8", "float4", "float8", "numeric", "text", "bytea", "date",
            "time", "timestamp", "timestamptz", "uuid", "int4[]", "text[]"};
        for (String type : types) {
            Setter setter = setters(connection).get(type);
            told.put("cast to " + type, attempt(() -> prepared(connection, "SELECT ?::" + type + " AS it", setter)));
        }
        return told;
    }

    static Object filters(Connection connection) {
        Map<String, Setter> where = new TreeMap<>();
        where.put("amount > ?", s -> s.setBigDecimal(1, new BigDecimal("1.50")));
        where.put("quantity = ?", s -> s.setInt(1, 1));
        where.put("quantity >= ?", s -> s.setLong(1, 1));
        where.put("amount > ?::numeric", s -> s.setDouble(1, 1.5));
        where.put("store = ?", s -> s.setString(1, "berlin"));
        where.put("store = ANY(?)", s -> s.setArray(1, connection.createArrayOf("text", new String[] {"berlin"})));
        where.put("ordered_at < ?", s -> s.setTimestamp(1, Timestamp.valueOf("2100-01-01 00:00:00")));
        where.put("ordered_at >= ?", s -> s.setObject(1, LocalDate.of(2020, 1, 1)));
        where.put("order_id LIKE ? || '%'", s -> s.setString(1, "o"));
        where.put("{fn lcase(store)} = {fn lcase(?)}", s -> s.setString(1, "BERLIN"));
        where.put("quantity = ? -- a text", s -> s.setString(1, "1"));
        Map<String, Object> told = new TreeMap<>();
        where.forEach((condition, setter) -> told.put(condition, attempt(() -> prepared(
                connection, "SELECT count(*) FROM customer.orders WHERE " + condition, setter))));
        return told;
    }

    static Object modes(Connection unused) {
        Map<String, Object> told = new TreeMap<>();
        for (String mode : List.of("simple", "extended", "extendedForPrepared", "extendedCacheEverything")) {
            told.put(mode, attempt(() -> {
                try (Connection connection = connect("preferQueryMode", mode)) {
                    Object found = prepared(connection,
                            "SELECT order_id, amount FROM customer.orders WHERE quantity >= ? ORDER BY order_id LIMIT 2",
                            statement -> statement.setInt(1, 1));
                    return List.of(found, select(connection, ORDERS));
                }
            }));
        }
        told.put("binary off", attempt(() -> {
            try (Connection connection = connect("binaryTransfer", "false")) {
                return prepared(connection, KINDS, statement -> { });
            }
        }));
        return told;
    }

    static Object cursors(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        List<Object> numbers = new ArrayList<>();
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(2);
            try (ResultSet found = statement.executeQuery(SERIES)) {
                while (found.next()) {
                    numbers.add(found.getInt(1));
                }
            }
        }
        Object orders;
        try (PreparedStatement statement = connection.prepareStatement(
                "SELECT order_id, amount FROM customer.orders WHERE amount > ? ORDER BY order_id LIMIT 5")) {
            statement.setFetchSize(2);
            statement.setBigDecimal(1, new BigDecimal("1"));
            try (ResultSet found = statement.executeQuery()) {
                orders = rows(found);
            }
        }
        int limited;
        try (Statement statement = connection.createStatement()) {
            statement.setMaxRows(3);
            try (ResultSet found = statement.executeQuery(SERIES)) {
                limited = rows(found).size();
            }
        }
        connection.commit();
        return List.of(numbers, orders, limited);
    }

    static Object scrolled(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement(
                ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY);
                ResultSet found = statement.executeQuery(SERIES)) {
            found.last();
            int last = found.getInt(1);
            found.absolute(2);
            int second = found.getInt(1);
            found.previous();
            return List.of(last, second, found.getInt(1));
        }
    }

    static Object copied(Connection connection) throws Exception {
        CopyManager manager = connection.unwrap(PGConnection.class).getCopyAPI();
        Map<String, Object> told = new TreeMap<>();
        for (String options : List.of("", "WITH (FORMAT csv, HEADER)", "WITH (FORMAT binary)")) {
            for (String sql : List.of(KINDS, ORDERS, "SELECT 1 / 0")) {
                told.put(sql + " " + options, attempt(() -> {
                    ByteArrayOutputStream out = new ByteArrayOutputStream();
                    long count = manager.copyOut("COPY (" + sql + ") TO STDOUT " + options, out);
                    String text = options.contains("binary")
                            ? HexFormat.of().formatHex(out.toByteArray()) : out.toString(StandardCharsets.UTF_8);
                    return List.of(count, text);
                }));
            }
        }
        told.put("into", attempt(() -> manager.copyIn("COPY customer.orders (order_id) FROM STDIN",
                new java.io.StringReader("x\n"))));
        return told;
    }

    static Object transactions(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        connection.setReadOnly(true);
        connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
        Object shown = List.of(select(connection, "SHOW transaction_isolation"),
                select(connection, "SHOW transaction_read_only"), connection.getTransactionIsolation());
        Savepoint point = connection.setSavepoint("here");
        Object failure = attempt(() -> select(connection, "SELECT 1 / 0"));
        Object aborted = attempt(() -> select(connection, "SELECT 1"));
        connection.rollback(point);
        Object alive = select(connection, "SELECT 2");
        connection.releaseSavepoint(point);
        connection.commit();
        attempt(() -> select(connection, "SELECT 1 / 0"));
        // The driver tells of a commit that became a rollback.
        Object commit = attempt(() -> {
            connection.commit();
            return null;
        });
        List<Object> levels = new ArrayList<>();
        connection.rollback();
        for (int level : new int[] {1, 2, 4, 8}) {
            connection.setTransactionIsolation(level);
            levels.add(connection.getTransactionIsolation());
        }
        connection.rollback();
        return Arrays.asList(shown, failure, aborted, alive, commit, levels);
    }

    static Object autosaved(Connection unused) throws SQLException {
        try (Connection connection = connect("autosave", "always")) {
            connection.setAutoCommit(false);
            Object failure = attempt(() -> select(connection, "SELECT 1 / 0"));
            Object alive = select(connection, "SELECT 2");
            connection.commit();
            return List.of(failure, alive);
        }
    }

    static Object batches(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.addBatch("SET extra_float_digits = 0");
            statement.addBatch("SET extra_float_digits = 3");
            Object set = Arrays.toString(statement.executeBatch());
            boolean first = statement.execute("SELECT 1; SELECT 2; SHOW search_path");
            List<Object> found = new ArrayList<>();
            for (boolean more = first; more; more = statement.getMoreResults()) {
                found.add(rows(statement.getResultSet()));
            }
            return List.of(set, found);
        }
    }

    static Object cancelled(Connection connection) throws Exception {
        Statement statement = connection.createStatement();
        Thread thread = new Thread(() -> attempt(() -> {
            Thread.sleep(500);
            statement.cancel();
            return null;
        }));
        thread.start();
        Object failure = attempt(() -> statement.executeQuery(ENDLESS));
        thread.join();
        Statement hasty = connection.createStatement();
        hasty.setQueryTimeout(1);
        Object late = attempt(() -> hasty.executeQuery(ENDLESS));
        return List.of(failure, late, select(connection, "SELECT 1"));
    }

    static Object errors(Connection connection) {
        Map<String, Object> told = new TreeMap<>();
        for (String sql : List.of("SELEC 1", "SELECT * FROM nowhere", "SELECT nothing FROM customer.orders",
                "INSERT INTO customer.orders (order_id) VALUES ('x')", "CREATE TABLE mine (x int)",
                "SELECT no_such_function(1)")) {
            told.put(sql, attempt(() -> connection.createStatement().execute(sql)));
        }
        told.put("wrong password", attempt(() -> connect("password", "wrong")));
        told.put("unknown user", attempt(() -> connect("user", "nobody_at_all")));
        return told;
    }

    static Object settings(Connection unused) throws SQLException {
        try (Connection connection = connect("ApplicationName", "told", "currentSchema", "pg_catalog",
                "options", "-c timezone=Asia/Tokyo", "readOnly", "true")) {
            PGConnection own = connection.unwrap(PGConnection.class);
            Map<String, String> told = new TreeMap<>();
            for (String name : List.of("application_name", "client_encoding", "DateStyle", "IntervalStyle",
                    "integer_datetimes", "standard_conforming_strings", "server_encoding", "TimeZone")) {
                told.put(name, own.getParameterStatus(name));
            }
            connection.setClientInfo("ApplicationName", "changed");
            connection.setSchema("customer");
            return List.of(told, select(connection, "SHOW application_name"), connection.getSchema(),
                    select(connection, "SHOW search_path"), connection.isReadOnly());
        }
    }

    static Map<String, Check> checks() {
        Map<String, Check> checks = new TreeMap<>();
        checks.put("metadata", Jdbc::metadata);
        checks.put("privileges", Jdbc::privileges);
        checks.put("types", Jdbc::types);
        checks.put("facts", Jdbc::facts);
        checks.put("described", Jdbc::described);
        checks.put("kinds", Jdbc::kinds);
        checks.put("orders", connection -> prepared(connection, ORDERS, statement -> { }));
        checks.put("getters", Jdbc::gettersOfOrders);
        checks.put("parameters", Jdbc::parameters);
        checks.put("filters", Jdbc::filters);
        checks.put("modes", Jdbc::modes);
        checks.put("cursors", Jdbc::cursors);
        checks.put("scrolled", Jdbc::scrolled);
        checks.put("copied", Jdbc::copied);
        checks.put("transactions", Jdbc::transactions);
        checks.put("autosaved", Jdbc::autosaved);
        checks.put("batches", Jdbc::batches);
        checks.put("cancelled", Jdbc::cancelled);
        checks.put("errors", Jdbc::errors);
        checks.put("settings", Jdbc::settings);
        return checks;
    }

    static void patience() {
        Thread thread = new Thread(() -> {
            try {
                Thread.sleep(PATIENCE_MS);
            } catch (InterruptedException ended) {
                return;
            }
            System.err.println("the server does not answer");
            Runtime.getRuntime().halt(1);
        });
        thread.setDaemon(true);
        thread.start();
    }

    public static void main(String[] arguments) throws Exception {
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        patience();
        Map<String, Object> answers = new TreeMap<>();
        for (Map.Entry<String, Check> entry : checks().entrySet()) {
            if (System.getenv("CLIENTS_VERBOSE") != null) {
                System.err.println("-- " + entry.getKey());
            }
            answers.put(entry.getKey(), attempt(() -> {
                try (Connection connection = connect()) {
                    return entry.getValue().run(connection);
                }
            }));
        }
        StringBuilder out = new StringBuilder();
        json(answers, out);
        System.out.write((out + "\n").getBytes(StandardCharsets.UTF_8));
        System.out.flush();
    }

    static void json(Object value, StringBuilder out) {
        if (value == null || value instanceof Boolean || value instanceof Number) {
            out.append(value);
        } else if (value instanceof Map<?, ?> map) {
            out.append('{');
            String comma = "";
            for (Map.Entry<?, ?> entry : map.entrySet()) {
                out.append(comma);
                string(String.valueOf(entry.getKey()), out);
                out.append(": ");
                json(entry.getValue(), out);
                comma = ",\n";
            }
            out.append('}');
        } else if (value instanceof Iterable<?> list) {
            out.append('[');
            String comma = "";
            for (Object part : list) {
                out.append(comma);
                json(part, out);
                comma = ", ";
            }
            out.append(']');
        } else {
            string(String.valueOf(value), out);
        }
    }

    static void string(String text, StringBuilder out) {
        out.append('"');
        for (char letter : text.toCharArray()) {
            if (letter == '"' || letter == '\\') {
                out.append('\\').append(letter);
            } else if (letter < ' ') {
                out.append(String.format("\\u%04x", (int) letter));
            } else {
                out.append(letter);
            }
        }
        out.append('"');
    }
}
