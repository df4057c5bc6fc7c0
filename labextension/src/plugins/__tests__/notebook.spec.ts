import type { JupyterFrontEnd } from '@jupyterlab/application';
import {
  Dialog,
  Notification,
  ToolbarWidgetRegistry
} from '@jupyterlab/apputils';
import { Cell, CodeCell } from '@jupyterlab/cells';
import { CodeMirrorEditorFactory } from '@jupyterlab/codemirror';
import type { IOutput } from '@jupyterlab/nbformat';
import { NotebookModel } from '@jupyterlab/notebook';
import { RenderMimeRegistry } from '@jupyterlab/rendermime';
import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { job, record } from '../../__tests__/records';
import { PretendServer, summary } from '../../__tests__/server';
import { CARD_MIME_TYPE, METADATA_KEY } from '../../api/types';
import type { JobsModel } from '../../model/jobs';
import { JobPool } from '../../model/pool';
import { CommandIDs } from '../../tokens';
import { cardPlugin, poolPlugin } from '../card';
import { jobViewPlugin } from '../jobview';
import { notebookPlugin } from '../notebook';
import { writerPlugin } from '../writer';

const ID = record().id;

/** A kernel that notes what it is asked to run. */
class Kernel {
  status = 'idle';
  handleComms = false;
  canLoad = true;
  info = Promise.resolve({ language_info: { name: 'python' } });
  readonly ran: { code: string; metadata?: object }[] = [];
  removeCommTarget = () => undefined;
  requestExecute = (
    content: { code: string },
    _?: boolean,
    metadata?: object
  ) => {
    this.ran.push({ code: content.code, metadata });
    const status = this.canLoad ? 'ok' : 'error';
    return {
      done: Promise.resolve({ content: { status, execution_count: 7 } }),
      dispose: () => undefined,
      registerMessageHook: () => undefined
    };
  };
}

let server: PretendServer;
let jobs: JobsModel;
let commands: CommandRegistry;
let app: JupyterFrontEnd;
let kernel: Kernel;
let panel: ReturnType<typeof openNotebook>;
let tracker: Record<string, unknown> & {
  widgetAdded: Signal<object, unknown>;
};
let added: [Widget, string][];

function openNotebook(outputs: IOutput[] = []) {
  const model = new NotebookModel();
  model.fromJSON({
    metadata: {},
    nbformat: 4,
    nbformat_minor: 5,
    cells: [
      {
        id: 'one',
        cell_type: 'code',
        source: 'x = 1',
        outputs,
        execution_count: null,
        metadata: {}
      }
    ]
  });
  model.dirty = false;
  const context = {
    model,
    path: 'folder/first.ipynb',
    ready: Promise.resolve(),
    isDisposed: false,
    disposed: new Signal<object, void>({}),
    contentsModel: { writable: true },
    save: vi.fn(() => Promise.resolve())
  };
  const sessionContext = {
    session: { kernel },
    kernelChanged: new Signal<object, unknown>({}),
    statusChanged: new Signal<object, unknown>({})
  };
  return { context, sessionContext, model };
}

beforeEach(async () => {
  server = new PretendServer([
    summary(ID, 'completed', { ended_at: 1_790_000_100 })
  ]);
  jobs = server.model();
  Object.assign(jobs.client, {
    submit: vi.fn(() => Promise.resolve({ id: ID, short_id: '7qm3xd' })),
    job: () =>
      Promise.resolve(
        job({ state: 'completed', ended_at: 1_790_000_100, actions: [] })
      ),
    outputs: () =>
      Promise.resolve({
        attempt: 1,
        seq: 1,
        final: true,
        outputs: [{ output_type: 'stream', name: 'stdout', text: 'ran' }]
      }),
    archiveUrl: () => '/archive'
  });
  commands = new CommandRegistry();
  kernel = new Kernel();
  panel = openNotebook();
  added = [];
  app = {
    commands,
    shell: {
      add: (widget: Widget, area: string) => {
        added.push([widget, area]);
        Widget.attach(widget, document.body);
      },
      activateById: vi.fn()
    },
    serviceManager: { contents: { localPath: (path: string) => path } }
  } as unknown as JupyterFrontEnd;
  tracker = {
    forEach: (visit: (one: unknown) => void) => visit(panel),
    widgetAdded: new Signal<object, unknown>({}),
    currentChanged: new Signal<object, unknown>({}),
    currentWidget: panel,
    activeCell: null
  };
  await vi.waitFor(() => expect(jobs.connection).toBe('live'));
});

afterEach(() => {
  Dialog.flush();
  added.forEach(([widget]) => widget.dispose());
  panel.context.disposed.emit();
  jobs.dispose();
  document.body.replaceChildren();
});

async function dialog(): Promise<HTMLElement> {
  await vi.waitFor(() =>
    expect(document.querySelector('.jp-Dialog-body')?.textContent).toBeTruthy()
  );
  return document.querySelector<HTMLElement>('.jp-Dialog')!;
}

function press(node: HTMLElement, label: string): void {
  [...node.querySelectorAll('button')]
    .find(button => button.textContent === label)!
    .click();
}

describe('what a notebook has of quantum jobs', () => {
  const toolbars = new ToolbarWidgetRegistry({
    defaultFactory: () => new Widget()
  });

  beforeEach(() => {
    void notebookPlugin.activate(
      app,
      jobs,
      tracker as never,
      null,
      toolbars,
      null
    );
  });

  function activate(): CodeCell {
    const cell = new CodeCell({
      model: panel.model.cells.get(0) as never,
      rendermime: new RenderMimeRegistry(),
      contentFactory: new Cell.ContentFactory({
        editorFactory: new CodeMirrorEditorFactory().newInlineEditor
      })
    });
    tracker.activeCell = cell;
    return cell;
  }

  it('is a picker in its toolbar, and a command that chooses', async () => {
    const picker = toolbars.createWidget(
      'Notebook',
      panel as never,
      { name: 'qhub-choice' } as never
    );
    Widget.attach(picker, document.body);
    await vi.waitFor(() =>
      expect(document.querySelectorAll('select')).toHaveLength(2)
    );
    await commands.execute(CommandIDs.chooseTier, { tier: 'local' });
    expect(panel.model.getMetadata(METADATA_KEY)).toEqual({ tier: 'local' });
    await vi.waitFor(() =>
      expect(kernel.ran.map(({ code }) => code)).toEqual(['%load_ext qhub_ext'])
    );
    picker.dispose();
  });

  it('runs a cell as a job, its source unchanged', async () => {
    expect(commands.isEnabled(CommandIDs.runCellOn)).toBe(false);
    const cell = activate();
    await commands.execute(CommandIDs.runCellOn, { tier: 'emulation' });
    expect(kernel.ran.map(({ code }) => code)).toEqual([
      '%load_ext qhub_ext',
      '%%qpu --tier emulation\nx = 1'
    ]);
    expect(kernel.ran[1].metadata).toMatchObject({ cellId: 'one' });
    expect(cell.model.sharedModel.getSource()).toBe('x = 1');
    expect(cell.model.executionCount).toBe(7);
    expect(cell.model.executionState).toBe('idle');
    cell.dispose();
  });

  it('takes a double click on its button for one', async () => {
    activate();
    await Promise.all([
      commands.execute(CommandIDs.runCellOn),
      commands.execute(CommandIDs.runCellOn)
    ]);
    await commands.execute(CommandIDs.runCellOn);
    const sent = kernel.ran.filter(({ code }) => code.startsWith('%%qpu'));
    expect(sent).toHaveLength(2);
  });

  it('says that there is no kernel', async () => {
    activate();
    Object.assign(panel.sessionContext, { session: null });
    const run = commands.execute(CommandIDs.runCellOn);
    const box = await dialog();
    expect(box.textContent).toContain('no kernel');
    box.querySelector('button')!.click();
    await run;
  });

  it('says what is missing where the kernel cannot load the extension', async () => {
    kernel.canLoad = false;
    const cell = activate();
    const done = commands.execute(CommandIDs.runCellOn, {});
    const box = await dialog();
    expect(box.textContent).toContain('pip install qhub-ext');
    expect(kernel.ran).toHaveLength(1);
    box.querySelector('button')!.click();
    await done;
    cell.dispose();
  });

  it('asks no kernel of another language to load it', async () => {
    kernel.info = Promise.resolve({ language_info: { name: 'R' } });
    await commands.execute(CommandIDs.chooseTier, { tier: 'local' });
    await new Promise(resolve => setTimeout(resolve));
    expect(kernel.ran).toEqual([]);
  });

  it('submits the notebook, saved first, once the user agrees', async () => {
    panel.model.dirty = true;
    const done = commands.execute(CommandIDs.submitNotebook);
    const box = await dialog();
    expect(box.textContent).toMatch(
      /Submit first.ipynb as one job\?.*emulation · kingston.*saved first/
    );
    press(box, 'Save and submit');
    await done;
    expect(panel.context.save).toHaveBeenCalledTimes(1);
    expect(jobs.client.submit).toHaveBeenCalledWith({
      kind: 'notebook',
      path: 'folder/first.ipynb',
      tier: 'emulation',
      device: 'kingston'
    });
    const [notice] = Notification.manager.notifications.slice(-1);
    expect(notice.message).toBe('first.ipynb is job 7qm3xd now.');
  });

  it('offers a reader no submission', async () => {
    expect(commands.isEnabled(CommandIDs.submitNotebook)).toBe(true);
    server.writable = false;
    await jobs.refresh();
    expect(commands.isEnabled(CommandIDs.submitNotebook)).toBe(false);
  });

  it('submits nothing where the user does not', async () => {
    const done = commands.execute(CommandIDs.submitNotebook);
    press(await dialog(), 'Cancel');
    await done;
    expect(jobs.client.submit).not.toHaveBeenCalled();
  });
});

describe('the job view', () => {
  it.each([
    ['JupyterLab', {}, 'main'],
    ['Notebook', null, 'right']
  ])('opens once per job in %s', async (_, labShell, area) => {
    const pool = poolPlugin.activate(app, jobs) as JobPool;
    void jobViewPlugin.activate(
      app,
      pool,
      new RenderMimeRegistry(),
      null,
      labShell,
      null,
      null
    );
    await commands.execute(CommandIDs.openJob, { id: ID });
    await commands.execute(CommandIDs.openJob, { ids: [ID, '../x', 7] });
    expect(added.map(([, where]) => where)).toEqual([area]);
    expect(app.shell.activateById).toHaveBeenCalledTimes(2);
    await vi.waitFor(() =>
      expect(added[0][0].node.textContent).toContain('GHZ parity')
    );
  });
});

describe('the card', () => {
  it('is drawn before every other form of an output, also where nothing is trusted', () => {
    const rendermime = new RenderMimeRegistry();
    const pool = poolPlugin.activate(app, jobs) as JobPool;
    void cardPlugin.activate(app, pool, rendermime, null);
    const bundle = { 'text/html': '', 'text/plain': '', [CARD_MIME_TYPE]: {} };
    expect(rendermime.preferredMimeType(bundle, 'ensure')).toBe(CARD_MIME_TYPE);
    expect(rendermime.preferredMimeType(bundle, 'any')).toBe(CARD_MIME_TYPE);
  });
});

describe('the writer', () => {
  it('writes into a notebook that opens, once for all its views, and stops when it closes', async () => {
    const pool = poolPlugin.activate(app, jobs) as JobPool;
    const card: IOutput = {
      output_type: 'display_data',
      data: { [CARD_MIME_TYPE]: record() as never, 'text/plain': 'Job' },
      metadata: { qhub: { job: ID, home: true } }
    };
    panel = openNotebook([card]);
    tracker.forEach = () => undefined;
    void writerPlugin.activate(app, pool, tracker as never, null, null);
    tracker.widgetAdded.emit(panel);
    tracker.widgetAdded.emit({ ...panel });
    const outputs = () => panel.model.sharedModel.toJSON().cells[0].outputs;
    await vi.waitFor(() => expect(outputs()).toHaveLength(2));
    panel.context.disposed.emit();
    server.put(summary(ID, 'completed', { ended_at: 1_790_000_999 }));
    await vi.waitFor(() => expect(jobs.find(ID)!.ended_at).toBe(1_790_000_999));
    expect(outputs()).toHaveLength(2);
  });
});
