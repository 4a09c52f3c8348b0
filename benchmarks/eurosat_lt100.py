r"""EuroSAT-LT: is any arm with synthetic images better than the best arm without?

    python benchmarks/eurosat_lt100.py SHARED lite0.pth WORKDIR docs/results/eurosat-lt100.json \
        [--orders a b c] [--judges scratch frozen]

SHARED has eurosat/ and eurosat-lt100-{a,b,c}.csv; lite0.pth holds ImageNet weights of timm's
tf_efficientnet_lite0. Each order is a run of benchmarks/eurosat_lt100.toml: one generator draws all
classes, and each judge trains and compares the arms by its settings in benchmarks/long_tailed.py.
Goes on where it was stopped: what an order or a judge has finished is found again. What the result
holds of other orders and judges stays, with the commit that it was measured by.
"""

from pathlib import Path

from long_tailed import JUDGES, Protocol, arguments, measure


def main() -> None:
    """Run what is asked for."""
    parser = arguments(__doc__, list(JUDGES))
    parser.add_argument("--orders", nargs="+", choices="abc", default=list("abc"))
    given = parser.parse_args()
    config = Path(__file__).with_suffix(".toml").resolve()
    names = {order: f"eurosat-lt100-{order}" for order in given.orders}
    tables = {order: given.shared / f"{name}.csv" for order, name in names.items()}
    measure(
        {
            order: Protocol(name, tables[order], given.shared / "eurosat", config)
            for order, name in names.items()
        },
        given,
    )


if __name__ == "__main__":
    main()
