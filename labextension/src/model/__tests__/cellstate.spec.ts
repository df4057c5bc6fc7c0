import type { ICodeCellModel } from '@jupyterlab/cells';
import { describe, expect, it } from 'vitest';

import { isCellRunning, setCellState } from '../cellstate';

const cell = (facts: object) => facts as ICodeCellModel;

describe('the state of a cell', () => {
  it('is what its model tells', () => {
    const told = cell({ executionState: 'running', executionCount: 3 });
    expect(isCellRunning(told)).toBe(true);
    setCellState(told, 'idle');
    expect(isCellRunning(told)).toBe(false);
  });

  it('is known by the count where models do not tell it, before JupyterLab 4.4', () => {
    const silent = cell({ executionCount: null });
    expect(isCellRunning(silent)).toBe(true);
    setCellState(silent, 'idle');
    expect(silent).not.toHaveProperty('executionState');
    expect(isCellRunning(cell({ executionCount: 3 }))).toBe(false);
  });
});
