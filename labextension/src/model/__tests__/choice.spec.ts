import { NotebookModel } from '@jupyterlab/notebook';
import type { JSONObject } from '@lumino/coreutils';
import { Signal } from '@lumino/signaling';
import { beforeEach, describe, expect, it } from 'vitest';

import { CHOICE_TARGET, METADATA_KEY } from '../../api/types';
import { ChoiceModel } from '../choice';

/** One end of a line to the kernel. */
class Comm {
  constructor(readonly commId: string) {}
  readonly sent: unknown[] = [];
  onMsg: (message: unknown) => void = () => undefined;
  onClose: () => void = () => undefined;
  send = (data: unknown) => this.sent.push(data);
  /** The kernel says this. */
  say = (data: unknown) => this.onMsg({ content: { data } });
}

class Kernel {
  status = 'idle';
  handleComms = true;
  isDisposed = false;
  living: string[] = [];
  readonly targets = new Map<string, (comm: Comm, message: unknown) => void>();
  readonly comms = new Map<string, Comm>();
  registerCommTarget = (
    name: string,
    open: (comm: Comm, message: unknown) => void
  ) => this.targets.set(name, open);
  removeCommTarget = (name: string) => this.targets.delete(name);
  hasComm = (id: string) => this.comms.has(id);
  requestCommInfo = () =>
    Promise.resolve({
      content: {
        status: 'ok',
        comms: Object.fromEntries(this.living.map(id => [id, {}]))
      }
    });

  createComm = (_: string, id: string) => {
    const comm = new Comm(id);
    this.comms.set(id, comm);
    return comm;
  };

  /** `%load_ext qhub_ext` */
  load(chosen: JSONObject): Comm {
    const comm = this.createComm('', `c${this.comms.size}`);
    this.targets.get(CHOICE_TARGET)!(comm, { content: { data: { chosen } } });
    return comm;
  }
}

let kernel: Kernel;
let notebook: NotebookModel;
let session: {
  session: { kernel: Kernel } | null;
  kernelChanged: Signal<object, unknown>;
  statusChanged: Signal<object, unknown>;
};
let model: ChoiceModel;
let refusals: string[];

const DEFAULTS = { tier: 'local', device: 'kingston' };
const metadata = () => notebook.getMetadata(METADATA_KEY);

function open(saved?: JSONObject): void {
  notebook = new NotebookModel();
  if (saved) {
    notebook.setMetadata(METADATA_KEY, saved);
  }
  model = new ChoiceModel(notebook, session as never);
  model.refused.connect((_, sentence) => refusals.push(sentence));
}

beforeEach(() => {
  kernel = new Kernel();
  refusals = [];
  session = {
    session: { kernel },
    kernelChanged: new Signal<object, unknown>({}),
    statusChanged: new Signal<object, unknown>({})
  };
});

describe('ChoiceModel', () => {
  it('shows what the kernel has chosen, and writes down nothing that nobody chose', () => {
    open();
    expect(model.choice).toBeNull();
    const comm = kernel.load(DEFAULTS);
    expect(model.choice).toEqual(DEFAULTS);
    expect(metadata()).toBeUndefined();
    expect(comm.sent).toEqual([]);
  });

  it('gives a new kernel what the notebook has', () => {
    open({ tier: 'emulation', device: 'fez', other: 'kept' });
    expect(model.choice).toEqual({ tier: 'emulation', device: 'fez' });
    const comm = kernel.load(DEFAULTS);
    expect(comm.sent).toEqual([
      { choose: { tier: 'emulation', device: 'fez' } }
    ]);
    comm.say({ chosen: { tier: 'emulation', device: 'fez' } });
    expect(metadata()).toEqual({
      tier: 'emulation',
      device: 'fez',
      other: 'kept'
    });
    expect(comm.sent).toHaveLength(1);
  });

  it('asks the kernel for what is picked, and keeps what it then has chosen', () => {
    open();
    const comm = kernel.load(DEFAULTS);
    model.choose({ device: 'ibm_fez' });
    expect(comm.sent).toEqual([{ choose: { device: 'ibm_fez' } }]);
    expect(metadata()).toBeUndefined();
    comm.say({ chosen: { tier: 'local', device: 'fez' } });
    expect(metadata()).toEqual({ tier: 'local', device: 'fez' });
  });

  it('passes on why the kernel refuses, and stays with what is chosen', () => {
    open();
    const comm = kernel.load(DEFAULTS);
    model.choose({ tier: 'qpu' });
    comm.say({ refused: 'No resource stands for kingston.' });
    expect(refusals).toEqual(['No resource stands for kingston.']);
    expect(model.choice).toEqual(DEFAULTS);
    expect(metadata()).toBeUndefined();
  });

  it('writes down what `%qpu use` chooses, and forgets what it takes back', () => {
    open();
    const comm = kernel.load(DEFAULTS);
    comm.say({ chosen: { ...DEFAULTS, shots: 100 } });
    expect(metadata()).toEqual({ ...DEFAULTS, shots: 100 });
    comm.say({ chosen: DEFAULTS });
    expect(metadata()).toEqual(DEFAULTS);
    expect(comm.sent).toEqual([]);
  });

  it('remembers a choice while no kernel has loaded the extension', () => {
    open();
    model.choose({ tier: 'emulation' });
    model.choose({ device: 'fez' });
    expect(metadata()).toEqual({ tier: 'emulation', device: 'fez' });
    expect(kernel.load(DEFAULTS).sent).toHaveLength(1);
  });

  it('finds the living comm after the page was loaded anew; the kernel knows best', async () => {
    kernel.living = ['old'];
    open({ tier: 'local', device: 'kingston' });
    await Promise.resolve();
    await Promise.resolve();
    const comm = kernel.comms.get('old')!;
    expect(comm.sent).toEqual([{ choose: {} }]);
    comm.say({ chosen: { tier: 'emulation', device: 'fez' } });
    expect(model.isLive).toBe(true);
    expect(metadata()).toEqual({ tier: 'emulation', device: 'fez' });
  });

  it('lives on through a restart of the kernel and a change to another one', () => {
    open({ tier: 'emulation', device: 'fez' });
    kernel.load(DEFAULTS);
    kernel.status = 'restarting';
    session.statusChanged.emit('restarting');
    expect(model.isLive).toBe(false);
    kernel.status = 'idle';
    expect(kernel.load(DEFAULTS).sent).toHaveLength(1);

    const other = new Kernel();
    session.session = { kernel: other };
    session.kernelChanged.emit(undefined);
    expect(kernel.targets.size).toBe(0);
    expect(model.isLive).toBe(false);
    expect(other.load(DEFAULTS).sent).toHaveLength(1);
  });

  it('tells the kernel what somebody else changes in the metadata', () => {
    open();
    const comm = kernel.load(DEFAULTS);
    notebook.setMetadata(METADATA_KEY, { tier: 'emulation' });
    expect(comm.sent).toEqual([{ choose: { tier: 'emulation' } }]);
  });

  it.each([3, 'text', [], { tier: 7 }, { tiers: 'x' }])(
    'takes no harm from metadata %j',
    saved => {
      open(saved as never);
      expect(model.choice).toBeNull();
    }
  );

  it('lets go of the kernel when it is disposed', () => {
    open();
    model.dispose();
    expect(kernel.targets.size).toBe(0);
  });
});
