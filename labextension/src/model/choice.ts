import type { ISessionContext } from '@jupyterlab/apputils';
import type { INotebookModel } from '@jupyterlab/notebook';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { JSONExt, JSONObject, PartialJSONObject } from '@lumino/coreutils';
import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import { Choice, CHOICE_TARGET, METADATA_KEY } from '../api/types';

/** What may hold for a whole notebook; other names in its metadata are not ours. */
const NAMES = [
  'tier',
  'device',
  'shots',
  'seed',
  'profile',
  'time_s',
  'cpus',
  'memory_mb',
  'site'
];

/**
 * How the kernel came to speak, which decides whose word counts where notebook and kernel do not agree: it `opened` the
 * comm (the notebook's), it was `found` alive by a page that was loaded anew, or it `changed` (the kernel's).
 */
type Occasion = 'opened' | 'found' | 'changed';

/**
 * The tier and device that the `%%qpu` cells of one notebook use: kept in its metadata, and the same in its kernel over a
 * comm, as long as the kernel has loaded the extension.
 */
export class ChoiceModel implements IDisposable {
  constructor(
    private readonly _notebook: INotebookModel,
    private readonly _session: ISessionContext
  ) {
    this._notebook.metadataChanged.connect(this._onMetadata, this);
    this._session.kernelChanged.connect(this._onKernel, this);
    this._session.statusChanged.connect(this._onStatus, this);
    this._onKernel();
  }

  /** What the kernel says, or else the notebook; null where neither says anything. */
  get choice(): Choice | null {
    const chosen = this._chosen ?? this.saved;
    return chosen && typeof chosen.tier === 'string'
      ? (chosen as unknown as Choice)
      : null;
  }

  /** Whether the kernel has loaded the extension and answers. */
  get isLive(): boolean {
    return this._comm !== null;
  }

  /** What the notebook's metadata says; null where it says nothing. */
  get saved(): JSONObject | null {
    const metadata = this._notebook.getMetadata(METADATA_KEY) as unknown;
    if (typeof metadata !== 'object' || metadata === null) {
      return null;
    }
    const saved = pick(metadata as JSONObject);
    return Object.keys(saved).length > 0 ? saved : null;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Somebody has picked something, whether or not the kernel can hear it. */
  get picked(): ISignal<this, void> {
    return this._picked;
  }

  /** The kernel's sentence on what it refused to choose. */
  get refused(): ISignal<this, string> {
    return this._refused;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** The kernel decides; without one that could, the notebook remembers it for the next. */
  choose(wanted: Partial<Choice>): void {
    if (this._comm !== null) {
      this._send(wanted as JSONObject);
    } else {
      this._save({ ...this.saved, ...(wanted as JSONObject) });
      this._changed.emit();
    }
    this._picked.emit();
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._kernel?.removeCommTarget(CHOICE_TARGET, this._onOpen);
    Signal.clearData(this);
  }

  private _onKernel(): void {
    const kernel = this._session.session?.kernel ?? null;
    if (kernel === this._kernel) {
      return;
    }
    if (this._kernel !== null && !this._kernel.isDisposed) {
      this._kernel.removeCommTarget(CHOICE_TARGET, this._onOpen);
    }
    this._kernel = kernel;
    this._lose();
    if (kernel !== null && kernel.handleComms) {
      kernel.registerCommTarget(CHOICE_TARGET, this._onOpen);
      void this._find(kernel);
    }
  }

  private _onStatus(): void {
    const status = this._session.session?.kernel?.status;
    if (status === 'restarting' || status === 'autorestarting') {
      this._lose();
    }
  }

  private readonly _onOpen = (
    comm: Kernel.IComm,
    message: KernelMessage.ICommOpenMsg
  ): void => {
    this._take(comm);
    this._hear(message.content.data, 'opened');
  };

  /** A page that was loaded anew finds the comm of the one before. */
  private async _find(kernel: Kernel.IKernelConnection): Promise<void> {
    const { content } = await kernel.requestCommInfo({
      target_name: CHOICE_TARGET
    });
    const ids = content.status === 'ok' ? Object.keys(content.comms) : [];
    const id = ids[ids.length - 1];
    const late = this._isDisposed || kernel !== this._kernel;
    if (id === undefined || late || this._comm || kernel.hasComm(id)) {
      return;
    }
    this._take(kernel.createComm(CHOICE_TARGET, id));
    this._asked = true;
    this._send({});
  }

  private _take(comm: Kernel.IComm): void {
    this._comm = comm;
    comm.onMsg = message => {
      const occasion = this._asked ? 'found' : 'changed';
      this._asked = false;
      this._hear(message.content.data, occasion);
    };
    comm.onClose = () => {
      if (this._comm === comm) {
        this._lose();
      }
    };
  }

  private _hear(data: PartialJSONObject, occasion: Occasion): void {
    if (this._isDisposed) {
      return;
    }
    if (typeof data.refused === 'string') {
      this._refused.emit(data.refused);
    }
    if (typeof data.chosen === 'object' && data.chosen !== null) {
      this._chosen = pick(data.chosen as JSONObject);
      const { saved } = this;
      if (occasion === 'opened') {
        if (saved !== null && !holds(this._chosen, saved)) {
          this._send(saved);
        }
      } else if (occasion === 'changed' || saved !== null) {
        this._save(this._chosen); // what nobody has chosen is not written down
      }
    }
    this._changed.emit();
  }

  private _onMetadata(_: unknown, change: { key: string }): void {
    if (change.key !== METADATA_KEY || this._isSaving) {
      return;
    }
    const { saved } = this;
    if (saved !== null && this._comm && !holds(this._chosen ?? {}, saved)) {
      this._send(saved);
    }
    this._changed.emit();
  }

  private _save(chosen: JSONObject): void {
    const metadata = (this._notebook.getMetadata(METADATA_KEY) ??
      {}) as JSONObject;
    const others = Object.entries(metadata).filter(
      ([name]) => !NAMES.includes(name)
    );
    const next = { ...Object.fromEntries(others), ...chosen };
    if (!this._notebook.readOnly && !JSONExt.deepEqual(metadata, next)) {
      this._isSaving = true;
      this._notebook.setMetadata(METADATA_KEY, next);
      this._isSaving = false;
    }
  }

  private _send(choose: JSONObject): void {
    this._comm?.send({ choose });
  }

  private _lose(): void {
    this._comm = null;
    this._chosen = null;
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _picked = new Signal<this, void>(this);
  private readonly _refused = new Signal<this, string>(this);
  private _kernel: Kernel.IKernelConnection | null = null;
  private _comm: Kernel.IComm | null = null;
  private _chosen: JSONObject | null = null;
  private _asked = false;
  private _isSaving = false;
  private _isDisposed = false;
}

function pick(choice: JSONObject): JSONObject {
  return Object.fromEntries(
    Object.entries(choice).filter(
      ([name, value]) => NAMES.includes(name) && value !== null
    )
  );
}

/** Whether all that `part` says is so in `whole`. */
function holds(whole: JSONObject, part: JSONObject): boolean {
  return Object.entries(part).every(([name, value]) =>
    JSONExt.deepEqual(whole[name] ?? null, value)
  );
}
