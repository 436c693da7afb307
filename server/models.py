"""`afterimage models`: what is installed, what it was taught, what it needs and whether it fits this machine."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.pretrained.installed import InstalledModel
    from engines.pretrained.needs import Room


def main(arguments: list[str]) -> int:
    """Print every model here; of the embedded one each family with an example instruction."""
    parser = argparse.ArgumentParser(
        "afterimage models", description="List the models on this machine, and whether they fit it."
    )
    parser.add_argument(
        "folders", nargs="*", type=Path, metavar="DIR", help="further model folders, or folders of them"
    )
    options = parser.parse_args(arguments)
    # Imported after the command line has been read: PyTorch takes a second or two.
    from engines.editor import choose_device
    from engines.families import EXAMPLES, LABELS
    from engines.model import models_folder
    from engines.pretrained.installed import installed_models
    from engines.pretrained.needs import gigabytes, room_on
    from engines.unfinished import abandoned_folders, folder_bytes, is_unfinished

    device = choose_device("auto")
    room = room_on(device)
    for model in installed_models(device, options.folders):
        if is_unfinished(model.folder):
            continue
        for line in _lines(model, room):
            print(line)
        if model.kind == "embedded":
            for family, label in LABELS.items():
                print(f"    {label:24}{EXAMPLES[family][0]}")
    for place in (models_folder(), *options.folders):
        left = sum(folder_bytes(folder) for folder in abandoned_folders(place))
        if left:
            print(
                f"{place} holds {gigabytes(left)} that a killed afterimage convert or train left unfinished;"
                " the next one removes it"
            )
    print(f"models are also looked for in {models_folder()}")
    return 0


def _lines(model: "InstalledModel", room: "Room") -> list[str]:
    from engines.backbones.expansion import INPUTS
    from engines.pretrained.needs import gigabytes

    if model.needs is None:
        return [f"{model.name}  cannot be used: {model.problem}"]
    lines = [
        f"{model.name}  {model.kind}, version {model.version}  {model.folder}",
        f"    {gigabytes(model.stored_bytes)} on disk; needs {_wanted(model, room)}",
    ]
    untrained = [name for name in INPUTS if name not in model.trained_inputs]
    if untrained:
        lines.append(
            f"    never trained to use the {' or the '.join(untrained)}: see afterimage train --backbone"
        )
    return lines


def _wanted(model: "InstalledModel", room: "Room") -> str:
    from engines.pretrained.needs import gigabytes

    assert model.needs is not None
    places = (
        (model.needs.device, room.device, "on the GPU"),
        (model.needs.host, room.host, "of main memory"),
    )
    wanted = " and ".join(
        f"{gigabytes(needed)} {where}, {gigabytes(free)} free" for needed, free, where in places if needed
    )
    return f"{wanted}: {'fits' if model.fits(room) else 'does not fit'}"
