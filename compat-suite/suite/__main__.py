"""Command line of the suite: choose clients and cases, run them, report."""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from . import report
from .clients import all_clients
from .model import Case, Client, Failed, Outcome, Skipped
from .trial import Trial
from .world import World


def arguments() -> argparse.Namespace:
    """What the caller wants."""
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__)
    parser.add_argument("endpoint", help="for example http://127.0.0.1:9000")
    parser.add_argument("--only", action="append", default=[], metavar="CLIENT",
                        help="clients whose name contains this (may be repeated)")
    parser.add_argument("--case", action="append", default=[], metavar="TEXT",
                        help="cases whose title contains this (may be repeated)")
    parser.add_argument("--transport", action="store_true",
                        help="only the cases that differ between http and https")
    parser.add_argument("--ca", type=Path, help="PEM file the clients shall trust for https")
    parser.add_argument("--jobs", type=int, default=2, help="clients that run side by side")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the report here")
    parser.add_argument("--list", action="store_true", help="list the cases and stop")
    return parser.parse_args()


def main() -> int:
    """Runs the suite; 0 when nothing failed."""
    args = arguments()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        if name not in os.environ:
            print(f"{name} is not set", file=sys.stderr)
            return 2
    ca = args.ca or (Path(os.environ["AWS_CA_BUNDLE"]) if "AWS_CA_BUNDLE" in os.environ else None)
    scratch = Path(tempfile.mkdtemp(prefix="holdfast-compat-"))
    try:
        world = World(args.endpoint, scratch, ca.resolve() if ca else None)
        return run(world, args)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def run(world: World, args: argparse.Namespace) -> int:
    """Runs what was chosen against the endpoint."""
    chosen = [(c, cases) for c in all_clients(world) if (cases := choose(c, args))]
    if args.list:
        for client, cases in chosen:
            for case in cases:
                print(f"{client.name:<16} {case.title}")
        return 0
    kind = "Holdfast" if world.is_holdfast else "another server"
    print(f"{world.endpoint} is {kind}; {sum(len(cases) for _, cases in chosen)} cases")
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, args.jobs)) as pool:
        per_client = pool.map(lambda pair: run_client(world, *pair), chosen)
        outcomes = [outcome for rows in per_client for outcome in rows]
    print(f"\n{report.table(outcomes)}\n")
    if told := report.failures(outcomes):
        print(f"{told}\n")
    if args.json:
        report.write_json(outcomes, args.json)
    print(report.totals(outcomes))
    failed = any(outcome.verdict == "FAILED" for outcome in outcomes)
    return 1 if failed or not any(outcome.verdict == "ok" for outcome in outcomes) else 0


def choose(client: Client, args: argparse.Namespace) -> list[Case]:
    """The cases of a client that the command line asks for."""
    if args.only and not any(text in client.name for text in args.only):
        return []
    return [
        case
        for case in client.cases
        if (not args.case or any(text in case.title for text in args.case))
        and (case.transport or not args.transport)
    ]


def run_client(world: World, client: Client, cases: list[Case]) -> list[Outcome]:
    """All chosen cases of one client, one after the other."""
    missing = client.missing()
    version = "-" if missing else client.version()
    outcomes = []
    for case in cases:
        if missing:
            outcome = Outcome(client.name, version, case.title, "skipped", missing)
        elif case.holdfast and not world.is_holdfast:
            outcome = Outcome(client.name, version, case.title, "skipped", "only Holdfast has it")
        else:
            outcome = try_case(world, client, version, case)
        report.progress(outcome)
        outcomes.append(outcome)
    return outcomes


def try_case(world: World, client: Client, version: str, case: Case) -> Outcome:
    """One case, whatever happens in it."""
    started = time.monotonic()
    trial = Trial(world, client.name, case.title)
    verdict, note = "ok", ""
    try:
        case.run(client, trial)
    except Skipped as reason:
        verdict, note = "skipped", str(reason)
    except Failed as reason:
        verdict, note = "FAILED", str(reason)
    except Exception as error:  # a client library's own exception is the finding
        where = traceback.extract_tb(error.__traceback__)
        ours = [f for f in where if "/suite/" in f.filename][-1]
        verdict = "FAILED"
        note = f"{type(error).__name__}: {error} (at {Path(ours.filename).name}:{ours.lineno})"
    finally:
        try:
            trial.clean_up()
        except Exception as error:  # cleaning up is no case of its own
            print(f"    left behind by {client.name}/{case.title}: {error}")
    return Outcome(client.name, version, case.title, verdict, note, time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main())
