"""The import-linter contract that a module is used only as `from gamekeeper.modules import items` and `items.move(...)`."""

from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class FrontDoorContract(Contract):
    """Nobody imports what is inside a package of `rooms`, except the files of that package."""

    type_name = "front_door"

    rooms = fields.StringField()

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Find the imports that climb in through a window."""
        del verbose
        rooms = cast(str, self.rooms)
        windows: list[tuple[str, str]] = []
        for imported in sorted(name for name in graph.modules if name.startswith(f"{rooms}.")):
            room, _, inside = imported.removeprefix(f"{rooms}.").partition(".")
            if inside:
                importers = sorted(graph.find_modules_that_directly_import(imported))
                windows += [(importer, imported) for importer in importers if not f"{importer}.".startswith(f"{rooms}.{room}.")]
        return ContractCheck(kept=not windows, metadata={"windows": windows})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name each import that breaks the rule."""
        for importer, imported in check.metadata["windows"]:
            output.print_error(f"{importer} imports {imported}; let that module's __init__ offer it, and import the module", bold=False)
