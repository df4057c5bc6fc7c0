import type { ICodeCellModel } from '@jupyterlab/cells';

type State = 'idle' | 'running';

/**
 * Whether a cell runs. Models tell it themselves since JupyterLab 4.4; before, a cell that was
 * sent to the kernel has no execution count until it ends.
 */
export function isCellRunning(cell: ICodeCellModel): boolean {
  return 'executionState' in cell
    ? cell.executionState === 'running'
    : (cell as ICodeCellModel).executionCount === null;
}

/** Has the cell's prompt show that it runs, or no longer does, where its model can be told. */
export function setCellState(cell: ICodeCellModel, state: State): void {
  if ('executionState' in cell) {
    (cell as { executionState: State }).executionState = state;
  }
}
