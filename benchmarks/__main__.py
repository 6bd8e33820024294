"""The benchmarks' command line; see README.md."""

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

from benchmarks import compare, first_finding, memory_bench, peers, replay_bench, tables
from benchmarks.corpus import MB, Spec, generate


def _corpus(options: argparse.Namespace) -> None:
    made = generate(_spec(options), peers.DATA)
    print(
        f"{made.folder}: {made.bytes() / MB:.1f} MB in {len(made.files())} files, {len(made.truth())} planted"
    )


def _spec(options: argparse.Namespace) -> Spec:
    return Spec.of(options.size, options.seed, clean=options.clean, density=options.density)


def _compare(options: argparse.Namespace) -> None:
    spec = _spec(options)
    only = set(options.only.split(",")) if options.only else set()
    ours = replay_bench.rows(spec, options.known) if not only or "curfewd" in only else []
    made = compare.compare(spec, only - {"curfewd"} if only != {"curfewd"} else {"none"}, ours)
    corpus = generate(spec, peers.DATA)
    for row in made.rows:
        name = row.scanner.replace(" ", "-").replace(",", "")
        replay_bench.write_misses(corpus, row, corpus.folder / f"misses-{name}.txt")
    text = tables.comparison(made)
    print(text)
    name = options.name or f"compare-{options.size:g}MB{'-clean' if spec.clean else ''}"
    tables.save(compare.RESULTS, name, text, tables.slim(made))
    if not spec.clean and not only:
        peers.plot(compare.RESULTS / f"{name}.json", compare.RESULTS / f"{name}.svg")


def _memory(options: argparse.Namespace) -> None:
    times = [int(part) for part in options.times.split(",")]
    made = memory_bench.memory(options.base, times, options.known, options.seed)
    text = memory_bench.report(made)
    print(text)
    tables.save(compare.RESULTS, "memory", text, made)


def _first_finding(options: argparse.Namespace) -> None:
    del options
    made = first_finding.first_finding()
    text = first_finding.report(made)
    print(text)
    tables.save(compare.RESULTS, "first-finding", text, made)


def _ledger(options: argparse.Namespace) -> None:
    del options
    importlib.import_module("benchmarks.ledger_curve").main()


def _events(options: argparse.Namespace) -> None:
    del options
    importlib.import_module("benchmarks.events_bench").main()


def _leaks(options: argparse.Namespace) -> None:
    del options
    importlib.import_module("benchmarks.leaks_bench").main()


def _candidates(options: argparse.Namespace) -> None:
    del options
    importlib.import_module("benchmarks.candidates_bench").main()


def _sources(options: argparse.Namespace) -> None:
    del options
    importlib.import_module("benchmarks.sources_bench").main()


def _masking(options: argparse.Namespace) -> None:
    del options
    importlib.import_module("benchmarks.masking_bench").main()


def _trust(options: argparse.Namespace) -> None:
    del options
    importlib.import_module("benchmarks.trust_bench").main()


def _suggest(options: argparse.Namespace) -> None:
    bench = importlib.import_module("benchmarks.suggest_bench")
    bench.main(bench.Options(options.uses))


def _carriers(options: argparse.Namespace) -> None:
    del options
    importlib.import_module("benchmarks.carriers_bench").main()


def _stages(options: argparse.Namespace) -> None:
    importlib.import_module("benchmarks.scan_stages").main(options.size, options.seed, options.known)


def _windows(options: argparse.Namespace) -> None:
    importlib.import_module("benchmarks.window_bench").main(options.size, options.seed, options.known)


def _cost(options: argparse.Namespace) -> None:
    bench = importlib.import_module("benchmarks.cost_bench")
    bench.main(bench.Options(options.size, options.seed, tuple(map(int, options.known.split(",")))))


def _hostile(options: argparse.Namespace) -> None:
    bench = importlib.import_module("benchmarks.hostile_bench")
    bench.main(bench.Options(seed=options.seed, only=options.only), options.command)


def _report(options: argparse.Namespace) -> None:
    del options
    importlib.import_module("benchmarks.report_bench").main()


def _decode(options: argparse.Namespace) -> None:
    importlib.import_module("benchmarks.decode_bench").main(options.only)


def _forms(options: argparse.Namespace) -> None:
    bench = importlib.import_module("benchmarks.forms_bench")
    texts = dict(text.partition("=")[::2] for text in options.texts)
    bench.main(bench.Options(options.size, options.seed, options.rounds, options.known, texts))


def _precision(options: argparse.Namespace) -> None:
    bench = importlib.import_module("benchmarks.precision_bench")
    texts = dict(text.partition("=")[::2] for text in options.texts)
    seeds = [int(seed) for seed in options.seeds.split(",") if seed]
    bench.main(bench.Options(options.size, seeds, texts, options.name))


def _names(options: argparse.Namespace) -> None:
    bench = importlib.import_module("benchmarks.names_bench")
    asked = bench.Options(
        bench.Half(options.half),
        options.seed,
        options.secrets,
        options.look_alikes,
        options.show_misses,
        options.peers,
        options.save,
    )
    bench.main(asked)


def _printed(options: argparse.Namespace) -> None:
    bench = importlib.import_module("benchmarks.printed_bench")
    texts = dict(text.partition("=")[::2] for text in options.texts)
    bench.main(bench.Options(options.seed, options.each, options.benign, options.only, options.save, texts))


def _examples(options: argparse.Namespace) -> None:
    importlib.import_module("benchmarks.examples_bench").main(options.folders)


def _live(options: argparse.Namespace) -> None:
    bench = importlib.import_module("benchmarks.live_bench")
    asked = bench.Options(options.records, options.known, options.runs, options.seed, options.settings)
    if options.command == "live":
        bench.main(asked, bench.throughput, "live", "The live service and its peers on one topic")
    elif options.command in {"live-curves", "live-workers"}:
        curves = importlib.import_module("benchmarks.live_curves")
        if options.command == "live-curves":
            bench.main(asked, curves.curves, "live-curves", "The live service on records of every kind")
        else:
            bench.main(asked, curves.workers, "live-workers", "The live service on one core and on more")
        curves.draw(compare.RESULTS)
    else:
        bench.main(asked, bench.mixed, "live-mixed", "The live service on logs with audit events among them")


def _redact(options: argparse.Namespace) -> None:
    bench = importlib.import_module("benchmarks.redact_bench")
    asked = importlib.import_module("benchmarks.live_bench").Options
    bench.main(asked(options.records, options.known, options.runs, options.seed), options.size)


def _latency(options: argparse.Namespace) -> None:
    bench = importlib.import_module("benchmarks.latency_bench")
    bench.main(bench.Options(options.known, options.warm, options.seconds, options.seed))


def _registry(options: argparse.Namespace) -> None:
    importlib.import_module("benchmarks.registry_bench").main(
        [int(size) for size in options.sizes.split(",")]
    )


def _soak(options: argparse.Namespace) -> None:
    bench = importlib.import_module("benchmarks.soak_bench")
    if options.samples:
        importlib.import_module("benchmarks.soak_report").main(Path(options.samples))
        return
    bench.main(
        bench.Options(
            options.minutes, options.quiet, options.rate, service=options.service, name=options.name
        )
    )


def _growth(options: argparse.Namespace) -> None:
    importlib.import_module("benchmarks.growth_bench").main(options.tasks)


def _restore(options: argparse.Namespace) -> None:
    bench = importlib.import_module("benchmarks.restore_bench")
    sizes = tuple(int(size) for size in options.sizes.split(","))
    bench.main(bench.Options(sizes, options.seed, options.name))


def _instances(options: argparse.Namespace) -> None:
    bench = importlib.import_module("benchmarks.instances_bench")
    instances = tuple(int(count) for count in options.instances.split(","))
    bench.main(
        bench.Options(
            options.records,
            options.known,
            options.watched,
            options.seed,
            options.brokers,
            options.partitions,
            instances,
        )
    )


def _standbys(options: argparse.Namespace) -> None:
    bench = importlib.import_module("benchmarks.standby_bench")
    rounds = tuple(int(count) for count in options.standbys.split(","))
    bench.main(
        bench.Options(
            options.tasks,
            options.partitions,
            options.watched,
            options.session,
            rounds,
            brokers=options.brokers,
        )
    )


def _rebalances(options: argparse.Namespace) -> None:
    bench = importlib.import_module("benchmarks.rebalance_bench")
    bench.main(bench.Options(options.rounds))


def _receive(options: argparse.Namespace) -> None:
    importlib.import_module("benchmarks.receive_bench").main(options.requests)


def _revoke(options: argparse.Namespace) -> None:
    bench = importlib.import_module("benchmarks.whole_way_bench")
    bench.main(bench.Options(options.leaks, options.every))


def _on_a_corpus(commands: Any) -> None:
    """What runs the scanner on generated logs."""

    def corpus_options(command: argparse.ArgumentParser, size: float) -> None:
        command.add_argument("--size", type=float, default=size, help="MB of log text")
        command.add_argument("--seed", type=int, default=7)
        command.add_argument("--clean", action="store_true", help="plant nothing: false positives only")
        command.add_argument("--density", type=float, default=1.0, help="times 2,000 secrets in 200 MB")

    one = commands.add_parser("corpus", help="only generate the corpus")
    corpus_options(one, 200)
    one.set_defaults(run=_corpus)
    one = commands.add_parser("compare", help="curfewd and its peers on one corpus")
    corpus_options(one, 200)
    one.add_argument("--known", type=int, default=1_000_000, help="registered credentials")
    one.add_argument("--only", default="", help="scanners, with commas: curfewd,gitleaks,...")
    one.add_argument("--name", default="", help="of the result files")
    one.set_defaults(run=_compare)
    one = commands.add_parser("precision", help="matches of each pattern where there is no secret")
    one.add_argument("--size", type=float, default=500, help="MB of log text for each seed")
    one.add_argument("--seeds", default="101,102,103,104", help="of generated text, with commas; empty: none")
    one.add_argument("--name", default="precision", help="of the result files")
    one.add_argument("texts", nargs="*", metavar="NAME=PATH", help="real text")
    one.set_defaults(run=_precision)
    one = commands.add_parser("names", help="secrets that only their name gives away, and look-alikes")
    one.add_argument(
        "--half",
        choices=("dev", "held-out", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"),
        default="dev",
    )
    one.add_argument("--seed", type=int, default=7)
    one.add_argument("--secrets", type=int, default=6_000)
    one.add_argument("--look-alikes", type=int, default=3_600)
    one.add_argument("--show-misses", action="store_true", help="print what was missed or reported wrongly")
    one.add_argument("--peers", default="", help="scanners beside it, with commas, or `all`; writes results/")
    one.add_argument("--save", action="store_true", help="write results/")
    one.set_defaults(run=_names)
    one = commands.add_parser("printed", help="known credentials in every way of printing")
    one.add_argument("--seed", type=int, default=7)
    one.add_argument("--each", type=int, default=4, help="credentials of each shape")
    one.add_argument("--benign", type=int, default=60, help="texts without a secret for each form")
    one.add_argument("--only", default="", help="forms whose name holds this")
    one.add_argument("--save", action="store_true", help="write results/")
    one.add_argument("texts", nargs="*", metavar="NAME=PATH", help="real text, scanned for other credentials")
    one.set_defaults(run=_printed)
    one = commands.add_parser("examples", help="the examples of other scanners' rules, from a checkout")
    one.add_argument("folders", nargs="+", metavar="FOLDER", help="of Kingfisher's YAML or gitleaks' Go")
    one.set_defaults(run=_examples)
    one = commands.add_parser("memory", help="peak memory of replay on little and on much log")
    one.add_argument("--base", type=int, default=100, help="MB")
    one.add_argument("--times", default="1,10,100", help="names for each file")
    one.add_argument("--known", type=int, default=100_000)
    one.add_argument("--seed", type=int, default=7)
    one.set_defaults(run=_memory)


def _on_a_broker(commands: Any) -> None:
    """What runs the service."""
    for name, about in (
        ("live", "the service and its peers on one topic"),
        ("live-mixed", "and on mixed topics"),
        ("live-curves", "against size, leaks, events, partitions and codecs"),
        ("live-workers", "with one process and with more"),
    ):
        one = commands.add_parser(name, help=about)
        one.add_argument("--records", type=int, default=1_000_000)
        one.add_argument("--known", type=int, default=1_000_000)
        one.add_argument("--runs", type=int, default=3)
        one.add_argument("--seed", type=int, default=7)
        one.add_argument("--settings", default="", help="lines of [kafka]")
        one.set_defaults(run=_live)
    one = commands.add_parser("redact", help="what masking costs: the filter, and the service's topic")
    one.add_argument("--size", type=float, default=50, help="MB of text for the filter")
    one.add_argument("--records", type=int, default=500_000)
    one.add_argument("--known", type=int, default=100_000)
    one.add_argument("--runs", type=int, default=3)
    one.add_argument("--seed", type=int, default=7)
    one.set_defaults(run=_redact)
    one = commands.add_parser(
        "latency", help="from a leak's append to its command, at shares of the highest load"
    )
    one.add_argument("--known", type=int, default=1_000_000)
    one.add_argument("--warm", type=float, default=10.0, help="seconds")
    one.add_argument("--seconds", type=float, default=40.0, help="of measuring at each load")
    one.add_argument("--seed", type=int, default=7)
    one.set_defaults(run=_latency)
    one = commands.add_parser("registry", help="what a registered credential costs a scan instance")
    one.add_argument("--sizes", default="10000,1000000,10000000", help="how many credentials (%(default)s)")
    one.set_defaults(run=_registry)
    one = commands.add_parser(
        "growth", help="what a task that goes on costs the judge, and many tasks its state"
    )
    one.add_argument("--tasks", type=int, default=20_000, help="how many tasks (%(default)s)")
    one.set_defaults(run=_growth)
    one = commands.add_parser("soak", help="what a worker's memory does over hours")
    one.add_argument("--minutes", type=float, default=120.0)
    one.add_argument("--quiet", type=float, default=10.0, help="without new tasks, at the end of each hour")
    one.add_argument("--rate", type=float, default=12.0, help="tasks a second")
    one.add_argument("--service", default="", help="lines of [service]")
    one.add_argument("--name", default="soak", help="of the result files")
    one.add_argument("--samples", default="", metavar="FILE", help="only make the report of these")
    one.set_defaults(run=_soak)
    one = commands.add_parser("restore", help="a start with many credentials")
    one.add_argument("--sizes", default="10000,1000000", help="credentials")
    one.add_argument("--seed", type=int, default=7)
    one.add_argument("--name", default="restore", help="of the result files")
    one.set_defaults(run=_restore)
    one = commands.add_parser("receive", help="requests a second of one core, to a file and to Kafka")
    one.add_argument("--requests", type=int, default=20_000, help="of each sender")
    one.set_defaults(run=_receive)
    one = commands.add_parser("revoke", help="from a leak's append to the first use that a server refuses")
    one.add_argument("--leaks", type=int, default=200)
    one.add_argument("--every", type=float, default=0.25, help="seconds from one leak to the next")
    one.set_defaults(run=_revoke)


def _of_several(commands: Any) -> None:
    """What several instances do."""
    one = commands.add_parser("instances", help="several instances, and after one is killed or leaves")
    one.add_argument("--brokers", type=int, default=3)
    one.add_argument("--partitions", type=int, default=64, help="of the inputs and of work")
    one.add_argument("--instances", default="1,2,4", help="how many instances to measure (%(default)s)")
    one.add_argument("--records", type=int, default=2_000_000)
    one.add_argument("--known", type=int, default=100_000)
    one.add_argument("--watched", type=float, default=30.0, help="seconds after each kill")
    one.add_argument("--seed", type=int, default=7)
    one.set_defaults(run=_instances)
    one = commands.add_parser("rebalances", help="how long members that stay are without work")
    one.add_argument("--rounds", type=int, default=8, help="times that one joins and leaves (%(default)s)")
    one.set_defaults(run=_rebalances)
    one = commands.add_parser("standbys", help="a kill, with and without standby copies")
    one.add_argument("--tasks", type=int, default=200_000, help="of the state (%(default)s)")
    one.add_argument("--partitions", type=int, default=8, help="of the input and of work")
    one.add_argument("--watched", type=float, default=40.0, help="seconds after each kill")
    one.add_argument("--session", default="6s", help="kafka.session_timeout")
    one.add_argument("--standbys", default="0,1,0,1", help="service.standbys of each run (%(default)s)")
    one.add_argument(
        "--brokers", type=int, default=1, help="each topic of curfewd has a copy on each (%(default)s)"
    )
    one.set_defaults(run=_standbys)


def _of_a_part(commands: Any) -> None:
    """What measures one part, or one step of a user."""
    one = commands.add_parser("decode", help="input that is nothing but one encoding")
    one.add_argument("--only", default="", help="kinds whose name holds this")
    one.set_defaults(run=_decode)
    one = commands.add_parser("forms", help="clean text, with all forms and with none")
    one.add_argument("--size", type=float, default=8, help="MB of log text, and at most of each other text")
    one.add_argument("--seed", type=int, default=7)
    one.add_argument("--rounds", type=int, default=6)
    one.add_argument("--known", type=int, default=1_000, help="registered credentials")
    one.add_argument("texts", nargs="*", metavar="NAME=PATH", help="real text")
    one.set_defaults(run=_forms)
    one = commands.add_parser("stages", help="the scanner stage by stage")
    one.add_argument("--size", type=float, default=32, help="MB of log text")
    one.add_argument("--seed", type=int, default=7)
    one.add_argument("--known", type=int, default=1_000_000)
    one.set_defaults(run=_stages)
    one = commands.add_parser("windows", help="every window against delimiters, by lengths registered")
    one.add_argument("--size", type=float, default=4, help="MB of log text")
    one.add_argument("--seed", type=int, default=7)
    one.add_argument("--known", type=int, default=100_000)
    one.set_defaults(run=_windows)
    one = commands.add_parser("cost", help="against numbers of patterns and credentials, and length of lines")
    one.add_argument("--size", type=float, default=32, help="MB of log text")
    one.add_argument("--seed", type=int, default=7)
    one.add_argument("--known", default="1000,10000,100000,1000000,10000000", help="registered credentials")
    one.set_defaults(run=_cost)
    for name in ("look-alikes", "horrors"):
        one = commands.add_parser(name, help=f"the slowest texts: {name}")
        one.add_argument("--seed", type=int, default=7)
        one.add_argument("--only", default="", help="those whose name holds this")
        one.set_defaults(run=_hostile)
    commands.add_parser("ledger", help="cost of an event").set_defaults(run=_ledger)
    commands.add_parser("leaks", help="cost of a leak in the service").set_defaults(run=_leaks)
    commands.add_parser("candidates", help="credentials of groups of tasks").set_defaults(run=_candidates)
    commands.add_parser("sources", help="records of each source a second").set_defaults(run=_sources)
    commands.add_parser("masking", help="what masking the texts of an event costs").set_defaults(run=_masking)
    commands.add_parser("events", help="cost of an audit event in the service").set_defaults(run=_events)
    commands.add_parser("trust", help="what [[trust]] costs an event").set_defaults(run=_trust)
    one = commands.add_parser("suggest", help="suggestions from many uses")
    one.add_argument("--uses", type=int, default=1_000_000)
    one.set_defaults(run=_suggest)
    commands.add_parser("carriers", help="log records of each carrier a second").set_defaults(run=_carriers)
    commands.add_parser("report", help="the report's page in a browser").set_defaults(run=_report)
    commands.add_parser("first-finding", help="from clone to first finding").set_defaults(run=_first_finding)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for part in (_on_a_corpus, _on_a_broker, _of_several, _of_a_part):
        part(commands)
    return parser


def main(arguments: list[str]) -> None:
    """Runs one benchmark, or each of them if none is named."""
    for one in (
        [arguments]
        if arguments
        else [["compare"], ["compare", "--clean"], ["memory"], ["ledger"], ["first-finding"]]
    ):
        options = _parser().parse_args(one)
        options.run(options)


if __name__ == "__main__":
    main(sys.argv[1:])
