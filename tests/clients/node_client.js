// node-postgres: types, parameters, prepared statements, cursors, COPY out, cancelling.
"use strict";

const { Client, Pool } = require("pg");
const Cursor = require("pg-cursor");
const { to: copyTo, from: copyFrom } = require("pg-copy-streams");

const KINDS = "SELECT * FROM customer.kinds ORDER BY whole NULLS LAST";
const ORDERS = "SELECT * FROM customer.orders ORDER BY order_id LIMIT 5";
const ENDLESS =
  "SELECT count(*) FROM generate_series(1, 200000) AS a(n), generate_series(1, 200000) AS b(n) " +
  "WHERE (a.n * b.n) % 7 = 3";
const SERIES = "SELECT n FROM generate_series(1, 5) AS n ORDER BY n";

// A check that waits longer has met a server that does not answer.
const PATIENCE_MS = 25_000;

const VALUES = {
  nothing: null, bool: true, int: 7, float: 1.5, text: "it's 茶 🍵", bytes: Buffer.from([0, 255]),
  date: new Date("2026-03-29T02:30:00.123Z"), big: 2n ** 40n, ints: [1, 2, null],
  texts: ["a", null, 'b "c"'], object: { a: [1, null] },
};

// The value with the name of its type.
function typed(value) {
  if (value === null || value === undefined || typeof value === "boolean") return value ?? null;
  if (Buffer.isBuffer(value)) return `Buffer ${value.toString("hex")}`;
  if (value instanceof Date) return `Date ${value.toISOString()}`;
  if (Array.isArray(value)) return value.map(typed);
  if (typeof value === "object") {
    const parts = Object.fromEntries(Object.entries(value).map(([name, part]) => [name, typed(part)]));
    return value.constructor === Object ? parts : { [value.constructor.name]: parts };
  }
  return `${typeof value} ${value}`;
}

function told(result) {
  return {
    columns: result.fields.map((f) => [f.name, f.dataTypeID, f.dataTypeSize, f.dataTypeModifier, f.format]),
    rows: result.rows.map(typed),
    tag: result.command,
    count: result.rowCount,
  };
}

function failed(error) {
  if (process.env.CLIENTS_VERBOSE) console.error(`${error.name}: ${error.message}`);
  return { error: error.constructor.name, sqlstate: error.code ?? null };
}

async function attempt(promise) {
  try {
    return await promise;
  } catch (error) {
    return failed(error);
  }
}

async function select(client, ...query) {
  return told(await client.query(...query));
}

async function collected(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString("hex");
}

const read = (cursor, count) => cursor.read(count);

const checks = {
  async kinds(client) {
    return select(client, KINDS);
  },

  async kinds_binary(client) {
    return select(client, { text: KINDS, binary: true });
  },

  async kinds_as_arrays(client) {
    const result = await client.query({ text: KINDS, rowMode: "array" });
    return result.rows.map(typed);
  },

  async orders(client) {
    return select(client, ORDERS);
  },

  async orders_binary(client) {
    return select(client, { text: "SELECT order_id, quantity, ordered_at FROM customer.orders ORDER BY 1 LIMIT 2", binary: true });
  },

  async parameters(client) {
    const answers = {};
    for (const [name, value] of Object.entries(VALUES)) {
      answers[name] = await attempt(select(client, "SELECT $1 AS it", [value]));
    }
    for (const [type, value] of [
      ["bool", true], ["int4", 7], ["int8", "1099511627776"], ["float8", 1.5], ["numeric", "12.340"],
      ["bytea", Buffer.from([0, 255])], ["timestamptz", VALUES.date], ["int4[]", [1, 2, null]],
      ["text[]", ["a", null]], ["json", { a: [1, null] }], ["date", "2026-03-29"], ["interval", "1 day 02:03:04.5"],
    ]) {
      answers[`cast to ${type}`] = await attempt(select(client, `SELECT $1::${type} AS it`, [value]));
      answers[`null as ${type}`] = await attempt(select(client, `SELECT $1::${type} AS it`, [null]));
    }
    return answers;
  },

  async filters(client) {
    const where = {
      "amount > $1": ["1.50"],
      "quantity = $1 AND store = $2": [1, "berlin"],
      "quantity = ANY($1)": [[1, 2, 3]],
      "store = ANY($1)": [["berlin"]],
      "ordered_at < $1": [new Date("2100-01-01T00:00:00Z")],
      "order_id LIKE $1 || '%'": ["o"],
    };
    const answers = {};
    for (const [condition, values] of Object.entries(where)) {
      const sql = `SELECT count(*) FROM customer.orders WHERE ${condition}`;
      answers[condition] = await attempt(select(client, sql, values));
    }
    return answers;
  },

  async prepared(client) {
    const answers = [];
    for (const floor of ["1", "2", "3"]) {
      const query = { name: "cheap", text: "SELECT count(*) AS n FROM customer.orders WHERE amount > $1", values: [floor] };
      answers.push((await client.query(query)).rows);
    }
    answers.push(await attempt(client.query({ name: "cheap", text: "SELECT 1" })));
    return answers;
  },

  async several_statements(client) {
    const results = await client.query("SELECT 1 AS one; SELECT 'two' AS two; SHOW search_path");
    return results.map(told);
  },

  async empty_query(client) {
    return told(await client.query(""));
  },

  async cursor(client) {
    const cursor = client.query(new Cursor(SERIES));
    const parts = [];
    for (;;) {
      const rows = await read(cursor, 2);
      parts.push(rows.map((row) => row.n));
      if (rows.length === 0) break;
    }
    const other = client.query(new Cursor("SELECT * FROM customer.orders WHERE amount > $1 ORDER BY order_id", ["1"]));
    const first = (await read(other, 2)).map(typed);
    await other.close();
    const broken = client.query(new Cursor("SELECT 1 / (3 - n) AS it FROM generate_series(1, 5) AS n"));
    const failure = await attempt(read(broken, 10));
    return { parts, first, failure, alive: (await client.query("SELECT 1 AS one")).rows };
  },

  async copy(client) {
    return {
      text: await attempt(collected(client.query(copyTo(`COPY (${KINDS}) TO STDOUT`)))),
      csv: await attempt(collected(client.query(copyTo(`COPY (${ORDERS}) TO STDOUT WITH (FORMAT csv, HEADER)`)))),
      binary: await attempt(collected(client.query(copyTo(`COPY (${ORDERS}) TO STDOUT WITH (FORMAT binary)`)))),
      error: await attempt(collected(client.query(copyTo("COPY (SELECT 1 / 0) TO STDOUT")))),
      alive: (await client.query("SELECT 1 AS one")).rows,
    };
  },

  async copy_refused(client) {
    const into = new Promise((resolve, reject) => {
      const stream = client.query(copyFrom("COPY customer.orders (order_id) FROM STDIN"));
      stream.on("error", reject);
      stream.on("finish", resolve);
      stream.end("x\n");
    });
    return attempt(into);
  },

  async transactions(client) {
    const tags = [(await client.query("BEGIN")).command];
    const failure = await attempt(client.query("SELECT 1 / 0"));
    const aborted = await attempt(client.query("SELECT 1"));
    tags.push((await client.query("COMMIT")).command);
    await client.query("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY");
    const shown = (await client.query("SHOW transaction_isolation")).rows;
    tags.push((await client.query("COMMIT")).command);
    return { tags, failure, aborted, shown };
  },

  async errors(client) {
    const answers = {};
    for (const sql of ["SELEC 1", "SELECT * FROM nowhere", "SELECT nothing FROM customer.orders",
      "INSERT INTO customer.orders (order_id) VALUES ('x')", "CREATE TABLE mine (x int)"]) {
      answers[sql] = await attempt(client.query(sql));
      answers[`${sql} extended`] = await attempt(client.query({ text: sql, values: [], name: "" , queryMode: "extended" }));
    }
    return answers;
  },

  async statement_timeout() {
    const client = new Client({ statement_timeout: 300, application_name: "hasty" });
    await client.connect();
    const late = await attempt(client.query(ENDLESS));
    const shown = (await client.query("SHOW statement_timeout")).rows;
    const name = (await client.query("SHOW application_name")).rows;
    await client.end();
    return { late, shown, name };
  },

  async cancelled(client) {
    const running = attempt(client.query(ENDLESS));
    await new Promise((done) => setTimeout(done, 500));
    const { processID: pid, secretKey } = client;
    const net = require("net").connect(Number(process.env.PGPORT ?? 5432), process.env.PGHOST);
    const request = Buffer.alloc(16);
    [16, 80877102, pid, secretKey].forEach((word, at) => request.writeInt32BE(word, at * 4));
    net.end(request);
    const failure = await running;
    return { failure, alive: (await client.query("SELECT 1 AS one")).rows };
  },

  async pool() {
    const pool = new Pool({ max: 2 });
    const found = await Promise.all([1, 2, 3, 4, 5].map((n) => pool.query("SELECT $1::int AS n", [n])));
    await pool.end();
    return found.map((result) => result.rows[0].n);
  },

  async streamed_statuses() {
    const client = new Client({ application_name: "told", options: "-c timezone=Asia/Tokyo" });
    const statuses = {};
    client.connection.on("parameterStatus", (message) => (statuses[message.parameterName] = message.parameterValue));
    await client.connect();
    await client.end();
    const names = ["application_name", "client_encoding", "DateStyle", "IntervalStyle", "TimeZone",
      "integer_datetimes", "standard_conforming_strings", "server_encoding"];
    return Object.fromEntries(names.map((name) => [name, statuses[name] ?? null]));
  },

  async wrong_password() {
    const client = new Client({ password: "wrong" });
    return attempt(client.connect());
  },
};

// What the check returns, or that the server did not answer.
async function inTime(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new RangeError("the server does not answer")), PATIENCE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function checked(check) {
  const client = new Client();
  client.on("error", () => {});
  try {
    if (check.length > 0) await client.connect();
    return await check(client);
  } finally {
    client.end().catch(() => {});
  }
}

async function main() {
  const answers = {};
  for (const [name, check] of Object.entries(checks).sort()) {
    if (process.env.CLIENTS_VERBOSE) console.error(`-- ${name}`);
    answers[name] = await attempt(inTime(checked(check)));
  }
  process.stdout.write(`${JSON.stringify(answers, null, 1)}\n`, () => process.exit(0));
}

main();
