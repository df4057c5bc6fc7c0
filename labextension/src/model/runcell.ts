import type { ISessionContext } from '@jupyterlab/apputils';
import type { CodeCell } from '@jupyterlab/cells';
import { OutputArea } from '@jupyterlab/outputarea';
import type { Kernel } from '@jupyterlab/services';

import type { Choice } from '../api/types';
import { setCellState } from './cellstate';

const MAGIC = /^\s*%%qpu\b[^\n]*/;
const WORD = /^[\w.-]+$/;

/** The source of a cell as one that is a job: with `where` behind its own options, or behind a `%%qpu` of its own. */
export function asJob(source: string, where: Partial<Choice>): string {
  const options = (['tier', 'device'] as const)
    .filter(name => WORD.test(where[name] ?? ''))
    .map(name => ` --${name} ${where[name]}`)
    .join('');
  return MAGIC.test(source)
    ? source.replace(MAGIC, line => line.trimEnd() + options)
    : `%%qpu${options}\n${source}`;
}

/** Runs `code` as if it stood in the cell: its outputs come there, the source stays as it is. */
export async function runInCell(
  cell: CodeCell,
  session: ISessionContext,
  code: string
): Promise<void> {
  const { model } = cell;
  model.clearExecution();
  cell.outputHidden = false;
  setCellState(model, 'running');
  model.trusted = true;
  try {
    const reply = await OutputArea.execute(code, cell.outputArea, session, {
      ...model.metadata,
      cellId: model.id
    });
    if (reply && !cell.isDisposed) {
      model.executionCount = reply.content.execution_count;
    }
  } finally {
    if (!cell.isDisposed) {
      setCellState(model, 'idle');
    }
  }
}

/** Loads the extension into a kernel that has not done so; false where its environment has none. */
export async function loadExtension(
  kernel: Kernel.IKernelConnection
): Promise<boolean> {
  const { language_info } = await kernel.info;
  if (language_info.name !== 'python') {
    return false;
  }
  const future = kernel.requestExecute({
    code: '%load_ext qhub_ext',
    silent: true,
    store_history: false
  });
  const reply = await future.done;
  return reply.content.status === 'ok';
}
