#!/usr/bin/env python3
"""Runs end-to-end scenarios: `run.py --bin .build/debug NAME…`, `run.py --list`. See harness.py."""

import pathlib
import sys
import warnings

warnings.simplefilter("ignore", DeprecationWarning)
sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import allocation_scenarios  # noqa: E402
import books_scenarios  # noqa: E402
import crash_scenarios  # noqa: E402
import bench_scenarios  # noqa: E402
import checkpoint_scenarios  # noqa: E402
import dashboard_scenarios  # noqa: E402
import durability_scenarios  # noqa: E402
import event_scenarios  # noqa: E402
import exactness_scenarios  # noqa: E402
import harness  # noqa: E402
import http_scenarios  # noqa: E402
import key_scenarios  # noqa: E402
import power_scenarios  # noqa: E402
import network_scenarios  # noqa: E402
import page_scenarios  # noqa: E402
import price_scenarios  # noqa: E402
import process_scenarios  # noqa: E402
import query_scenarios  # noqa: E402
import retention_scenarios  # noqa: E402
import sealed_scenarios  # noqa: E402
import storage_scenarios  # noqa: E402
import service_scenarios  # noqa: E402
import stall_scenarios  # noqa: E402
import size_scenarios  # noqa: E402
import tool_scenarios  # noqa: E402
import unit_scenarios  # noqa: E402
import hostile_scenarios  # noqa: E402
import wire_scenarios  # noqa: E402

SCENARIOS = {}
for module in (
    http_scenarios,
    event_scenarios,
    query_scenarios,
    durability_scenarios,
    crash_scenarios,
    storage_scenarios,
    stall_scenarios,
    checkpoint_scenarios,
    power_scenarios,
    allocation_scenarios,
    books_scenarios,
    exactness_scenarios,
    key_scenarios,
    retention_scenarios,
    sealed_scenarios,
    price_scenarios,
    tool_scenarios,
    bench_scenarios,
    process_scenarios,
    wire_scenarios,
    network_scenarios,
    service_scenarios,
    unit_scenarios,
    hostile_scenarios,
    size_scenarios,
    dashboard_scenarios,
    page_scenarios,
):
    SCENARIOS.update(module.SCENARIOS)

if __name__ == "__main__":
    sys.exit(harness.main(SCENARIOS))
