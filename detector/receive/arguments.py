"""How the command line asks for `curfewd receive`. Importing this loads next to nothing."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `curfewd receive`."""
    parser.add_argument("--config", metavar="F", required=True, help="the configuration file")
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="append to this file, or to one for each topic in this folder, instead of Kafka",
    )
    parser.add_argument("--check", action="store_true", help="check the configuration, and exit")
