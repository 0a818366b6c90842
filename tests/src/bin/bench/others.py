"""Runs what it is told, a JSON object a line, with DuckDB and delta-rs, and answers in seconds."""

import json
import os
import shutil
import sys
import time

import deltalake
import duckdb


def connect(job):
    con = duckdb.connect()
    con.execute(f"set threads = {job['threads']}")
    files = "[" + ", ".join(f"'{path}'" for path in job["files"]) + "]"
    # Without its library of time zones DuckDB is several times as fast: it gets that benefit.
    con.execute(
        "create view events as select * replace (make_timestamp(epoch_us(event_time)) as event_time, "
        f"make_timestamp(epoch_us(received_at)) as received_at) from read_parquet({files})"
    )
    return con


def query(job):
    con = connect(job)
    times = []
    for _ in range(job["runs"] + 1):
        began = time.perf_counter()
        con.execute(job["sql"]).fetchall()
        times.append(time.perf_counter() - began)
    return times[1:]


def duckdb_erase(job):
    """Writes every file that holds one of the subjects anew, without them."""
    con = connect(job)
    files = "[" + ", ".join(f"'{path}'" for path in job["files"]) + "]"
    times = []
    for subjects in job["subjects"]:
        ids = ", ".join(map(str, subjects))
        began = time.perf_counter()
        hit = con.execute(
            f"select distinct filename from read_parquet({files}, filename = true) "
            f"where subject_id in ({ids})"
        ).fetchall()
        for (path,) in hit:
            con.execute(
                f"copy (select * from read_parquet('{path}') where subject_id not in ({ids})) "
                f"to '{path}.new' (format parquet, compression zstd, compression_level 1, row_group_size {job['group']})"
            )
            os.remove(path + ".new")
        times.append(time.perf_counter() - began)
    return times


def deltars_erase(job):
    """Deletes from a copy of the files as a Delta table."""
    times = []
    copy = job["folder"] + "-delta"
    shutil.copytree(job["folder"], copy)
    table = deltalake.convert_to_deltalake(copy)
    table = deltalake.DeltaTable(copy)
    for subjects in job["subjects"]:
        ids = ", ".join(map(str, subjects))
        began = time.perf_counter()
        table.delete(f"subject_id in ({ids})")
        times.append(time.perf_counter() - began)
    shutil.rmtree(copy)
    return times


JOBS = {"query": query, "duckdb_erase": duckdb_erase, "deltars_erase": deltars_erase}

for line in sys.stdin:
    job = json.loads(line)
    print(json.dumps(JOBS[job["job"]](job)), flush=True)
