r"""AID-LT with a prior of unlabelled images: is any arm with synthetic images better than without?

    python benchmarks/aid_lt10.py SHARED lite0.pth WORKDIR docs/results/aid-lt10.json

SHARED has aid/, aid-lt10.csv and elsewhere/, unlabelled aerial images that are not AID's; lite0.pth
holds ImageNet weights of timm's tf_efficientnet_lite0. The run is that of benchmarks/aid_lt10.toml:
one network learns the train part and the unlabelled images, and draws the ten rarest classes;
heads on frozen features judge. Goes on where it was stopped.
"""

from pathlib import Path

from long_tailed import Protocol, arguments, measure


def main() -> None:
    """Run it."""
    given = arguments(__doc__, ["frozen"]).parse_args()
    config = Path(__file__).with_suffix(".toml").resolve()
    table, images = given.shared / "aid-lt10.csv", given.shared / "aid"
    prior = {"base.images": str(given.shared / "elsewhere")}
    measure({"aid-lt10": Protocol("aid-lt10", table, images, config, prior)}, given)


if __name__ == "__main__":
    main()
