"""`afterimage models`: what is installed, and what it was taught."""

import argparse
import json


def main(arguments: list[str]) -> int:
    """Print every shipped model with its families and an example instruction of each."""
    parser = argparse.ArgumentParser("afterimage models", description="List the installed models.")
    parser.parse_args(arguments)
    # Imported after the command line has been read: PyTorch takes a second or two.
    from engines.families import EXAMPLES, LABELS
    from engines.model import SHIPPED_MODELS

    for path in sorted(SHIPPED_MODELS.glob("*/model_index.json")):
        index = json.loads(path.read_text())
        print(f"{index['name']} {index['version']}  {path.parent}")
        for family, label in LABELS.items():
            print(f"  {label:20}{EXAMPLES[family][0]}")
    return 0
