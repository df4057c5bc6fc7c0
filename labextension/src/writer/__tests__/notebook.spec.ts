import type { ICodeCellModel } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';
import { NotebookModel } from '@jupyterlab/notebook';
import { nullTranslator } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { job, record } from '../../__tests__/records';
import {
  CARD_MIME_TYPE,
  Job,
  JobOutputs,
  JobRecord,
  Summary
} from '../../api/types';
import { ApiError } from '../../api/request';
import type { Connection, JobsModel } from '../../model/jobs';
import { JobPool } from '../../model/pool';
import { NotebookWriter, WriterSettings } from '../notebook';

const ID = record().id;

class Jobs {
  connection: Connection = 'live';
  changed = new Signal<this, void>(this);
  lines = new Map<string, Summary>();
  answers = new Map<string, Job>();
  written: JobOutputs = { attempt: 1, seq: 1, final: true, outputs: [] };
  client = {
    job: vi.fn((id: string) => {
      const known = this.answers.get(id);
      return known
        ? Promise.resolve(known)
        : Promise.reject(new ApiError('no', 404, '', 'user'));
    }),
    explain: vi.fn(() => Promise.resolve({ sentence: '' })),
    outputs: vi.fn(() => Promise.resolve(this.written))
  };

  find(id: string): Summary | undefined {
    return this.lines.get(id);
  }

  isGone(): boolean {
    return false;
  }

  /** The job is so now, and the listing says it. */
  put(now: Job): void {
    this.answers.set(now.id, now);
    const { id, state, ended_at } = now;
    this.lines.set(id, { id, state, ended_at } as Summary);
    this.changed.emit();
  }
}

let jobs: Jobs;
let notebook: NotebookModel;
let writer: NotebookWriter;
let settings: WriterSettings;
let writable: boolean;

function print(text: string): void {
  jobs.written = {
    ...jobs.written,
    outputs: [{ output_type: 'stream', name: 'stdout', text }]
  };
}

function card(saved: JobRecord = record()): IOutput {
  return {
    output_type: 'execute_result',
    execution_count: 1,
    data: { [CARD_MIME_TYPE]: saved as never, 'text/plain': 'Job' },
    metadata: { qhub: { job: saved.id, home: true } }
  };
}

/** A notebook whose cells have shown these. */
function open(...cells: IOutput[][]): void {
  notebook = new NotebookModel();
  notebook.fromJSON({
    metadata: {},
    nbformat: 4,
    nbformat_minor: 5,
    cells: cells.map(outputs => ({
      cell_type: 'code',
      source: '%%qpu\n1',
      outputs,
      execution_count: 1,
      metadata: {}
    }))
  });
  writer = new NotebookWriter(
    {
      model: notebook,
      get contentsModel() {
        return { writable };
      }
    } as never,
    new JobPool(jobs as unknown as JobsModel),
    () => settings,
    nullTranslator.load('qhub_ext')
  );
}

const cell = (index = 0) => notebook.cells.get(index) as ICodeCellModel;
const shown = (index = 0) =>
  cell(index)
    .outputs.toJSON()
    .map(output => output.text ?? (output.data as never)['text/plain']);
const settle = () => vi.advanceTimersByTimeAsync(500);

const completed = job({ state: 'completed', ended_at: 1_790_000_100 });

beforeEach(() => {
  vi.useFakeTimers();
  jobs = new Jobs();
  settings = { outputs: true, limit: 8e6 };
  writable = true;
});

afterEach(() => {
  writer.dispose();
  vi.useRealTimers();
});

describe('NotebookWriter', () => {
  it('writes when the job ends, and not before', async () => {
    open([card()]);
    print('ran\n');
    jobs.put(job({ state: 'running' }));
    await settle();
    expect(shown()).toEqual(['Job']);
    expect(jobs.client.job).not.toHaveBeenCalled();
    jobs.put(completed);
    await settle();
    expect(shown()).toEqual([expect.stringContaining('7qm3xd'), 'ran\n']);
    expect(notebook.dirty).toBe(true);
    // what is on disk is what the shared model holds
    const saved = notebook.sharedModel.toJSON().cells[0].outputs as IOutput[];
    expect(saved).toHaveLength(2);
    expect(saved[0].metadata).toEqual({
      qhub: { job: ID, home: true, attempt: 1, outputs: 1 }
    });
  });

  it('writes on opening what ended while the notebook was closed, and asks no more', async () => {
    print('ran\n');
    jobs.put(completed);
    open([card()]);
    await settle();
    expect(shown()[1]).toBe('ran\n');
    jobs.changed.emit();
    await settle();
    expect(jobs.client.job).toHaveBeenCalledTimes(1);
    const json = notebook.sharedModel.toJSON();
    writer.dispose();
    notebook = new NotebookModel();
    notebook.fromJSON(json as never);
    notebook.dirty = false;
    writer = new NotebookWriter(
      { model: notebook, contentsModel: { writable } } as never,
      new JobPool(jobs as unknown as JobsModel),
      () => settings,
      nullTranslator.load('qhub_ext')
    );
    await settle();
    expect(notebook.dirty).toBe(false);
    expect(jobs.client.job).toHaveBeenCalledTimes(1);
  });

  it('asks once about a job that showed nothing', async () => {
    jobs.put(completed);
    open([card()]);
    await settle();
    jobs.changed.emit();
    cell().outputs.add({ output_type: 'stream', name: 'stdout', text: 'x' });
    await settle();
    expect(jobs.client.job).toHaveBeenCalledTimes(1);
  });

  it('waits while the cell runs', async () => {
    open([card()]);
    cell().executionState = 'running';
    print('ran\n');
    jobs.put(completed);
    await settle();
    expect(shown()).toEqual(['Job']);
    cell().executionState = 'idle';
    await settle();
    expect(shown()[1]).toBe('ran\n');
  });

  it('puts a new attempt in the place of the old one, though it shows less', async () => {
    open([card(), card(record({ id: '01kayt4w2-aaaaaa' }))]);
    jobs.put(job({ id: '01kayt4w2-aaaaaa', state: 'running' }));
    jobs.written.outputs = ['a', 'b'].map(text => ({
      output_type: 'display_data',
      data: { 'text/plain': text },
      metadata: {}
    }));
    jobs.put(completed);
    await settle();
    expect(shown().slice(1)).toEqual(['a', 'b', 'Job']);
    jobs.put(job({ state: 'running' }));
    await settle();
    expect(shown().slice(1)).toEqual(['a', 'b', 'Job']);
    jobs.written = { attempt: 2, seq: 1, final: true, outputs: [] };
    jobs.put(job({ ...completed, ended_at: 1_790_000_200 }));
    await settle();
    expect(shown().slice(1)).toEqual(['Job']);
    const { outputs } = notebook.sharedModel.toJSON().cells[0];
    expect(outputs).toHaveLength(2);
  });

  it('writes nothing where the card is gone meanwhile', async () => {
    open([card()]);
    cell().outputs.clear();
    jobs.put(completed);
    await settle();
    expect(shown()).toEqual([]);
    expect(jobs.client.job).not.toHaveBeenCalled();
  });

  it('writes under a card that comes later, and in a cell that comes later', async () => {
    print('ran\n');
    open([]);
    jobs.put(completed);
    cell().outputs.add(card());
    await settle();
    expect(shown()[1]).toBe('ran\n');
    notebook.sharedModel.addCell({ cell_type: 'code' });
    cell(1).outputs.add(card());
    await settle();
    expect(shown(1)[1]).toBe('ran\n');
  });

  it("leaves a stranger's notebook as it is", async () => {
    open([card()]);
    notebook.dirty = false;
    await settle();
    jobs.changed.emit();
    await settle();
    expect(jobs.client.job).toHaveBeenCalledTimes(1);
    expect(notebook.dirty).toBe(false);
  });

  it('writes nothing into a notebook that nobody may write', async () => {
    writable = false;
    jobs.put(completed);
    open([card()]);
    await settle();
    expect(shown()).toEqual(['Job']);
    expect(jobs.client.job).not.toHaveBeenCalled();
  });

  it('leaves outputs out where the setting says so, and brings them when it changes', async () => {
    settings = { outputs: false, limit: 8e6 };
    print('ran\n');
    jobs.put(completed);
    open([card()]);
    await settle();
    expect(shown()).toEqual([expect.stringContaining('7qm3xd')]);
    settings = { outputs: true, limit: 8e6 };
    writer.reconsider();
    await settle();
    expect(shown()[1]).toBe('ran\n');
  });

  it('says so where outputs are too large for a notebook', async () => {
    settings = { outputs: true, limit: 1000 };
    print('x'.repeat(2000));
    jobs.put(completed);
    open([card()]);
    await settle();
    expect(shown()[1]).toMatch(/^The outputs of job 7qm3xd have 2\.1 kB/);
  });

  it('waits for a server that cannot be asked', async () => {
    jobs.connection = 'offline';
    open([card()]);
    print('ran\n');
    jobs.put(completed);
    await settle();
    expect(shown()).toEqual(['Job']);
    jobs.connection = 'live';
    jobs.changed.emit();
    await settle();
    expect(shown()[1]).toBe('ran\n');
  });

  it('does nothing more once it is disposed', async () => {
    open([card()]);
    writer.dispose();
    jobs.put(completed);
    await settle();
    expect(shown()).toEqual(['Job']);
  });
});
