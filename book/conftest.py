"""Let nbval run cells as a notebook does: with history, without which IPython does not hear a `;` at a cell's end."""

from nbval.kernel import RunningKernel


def execute_with_history(kernel, code, allow_stdin=None):
    """Run a cell in nbval's kernel and return the message's id."""
    return kernel.kc.execute(code, store_history=True, allow_stdin=allow_stdin, stop_on_error=False)


RunningKernel.execute_cell_input = execute_with_history
