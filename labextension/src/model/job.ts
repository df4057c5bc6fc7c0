import type { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { ISignal, Signal } from '@lumino/signaling';

import { ApiError } from '../api/request';
import type { Explanation, Job, JobOutputs, Summary } from '../api/types';
import { isFinal, isWaiting } from '../words';
import { Audience } from './audience';
import type { JobsModel } from './jobs';

const OUTPUTS_EVERY_MS = 2000;
const EXPLAINED_EVERY_MS = 5000;

/**
 * What this page knows of one job. `stranger`: the server has no such job of this user. `gone`: it had, and the folder was
 * removed. `offline`: it cannot be asked now,
 * and what it said before is still here. `refused`: it does not know this user, or not any more. `missing`: Jupyter has no
 * such server extension.
 */
export type Standing =
  'loading' | 'live' | 'stranger' | 'gone' | 'offline' | 'refused' | 'missing';

/** One job in step with the server, for all views that show it: a `JobPool` hands it out and takes it back. */
export class JobModel implements IDisposable {
  constructor(
    readonly id: string,
    private readonly _jobs: JobsModel
  ) {
    this._outputsPoll = new Poll({
      name: `qhub-ext:outputs:${id}`,
      auto: false,
      factory: () => this._fetchOutputs(),
      frequency: { interval: OUTPUTS_EVERY_MS, backoff: true, max: 30_000 },
      standby: 'when-hidden'
    });
    this._jobs.changed.connect(this._onJobsChanged, this);
    this._onJobsChanged();
  }

  get standing(): Standing {
    return this._standing;
  }

  /** All facts, once the server has told them. */
  get job(): Job | null {
    return this._job;
  }

  /** Why it waits, or ended as it did; null while there is nothing to explain. */
  get explanation(): Explanation | null {
    return this._explanation;
  }

  /** Of the latest attempt; null until somebody watches them. */
  get outputs(): JobOutputs | null {
    return this._outputs;
  }

  /** Whether the job has ended and `outputs` holds all that it has shown. */
  get isComplete(): boolean {
    return (
      this._job !== null &&
      isFinal(this._job.state) &&
      this._outputsOf === this._job
    );
  }

  /** Why the last request failed; '' while all is well. */
  get trouble(): string {
    return this._trouble;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Keeps `outputs` fresh until the answer is disposed. */
  watchOutputs(): IDisposable {
    return this._audience.join();
  }

  /** The facts anew; requests that overlap become one more at the end. */
  async refresh(): Promise<void> {
    this._wanted = true;
    this._fetching ??= this._drain().finally(() => {
      this._fetching = null;
    });
    return this._fetching;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    clearTimeout(this._later);
    this._jobs.changed.disconnect(this._onJobsChanged, this);
    this._outputsPoll.dispose();
    Signal.clearData(this);
  }

  /** The line of the listing that moves when this job does: an element of an array moves with its array. */
  private get _line(): Summary | undefined {
    return this._jobs.find(this.id) ?? this._jobs.find(this.id.split('.')[0]);
  }

  private _onJobsChanged(): void {
    const { connection } = this._jobs;
    if (connection === 'connecting') {
      return;
    }
    if (connection !== 'live') {
      this._say(connection);
      return;
    }
    const line = this._line;
    // a stranger's job stays one until the listing has it: cards of others must not ask at every change of mine
    const known = ['live', 'stranger', 'gone'].includes(this._standing);
    if (!known || line !== this._seen) {
      this._seen = line;
      void this.refresh();
    }
  }

  private async _drain(): Promise<void> {
    while (this._wanted && !this._isDisposed) {
      this._wanted = false;
      await this._fetch();
    }
  }

  private async _fetch(): Promise<void> {
    const before = this._job;
    try {
      this._job = await this._jobs.client.job(this.id);
    } catch (error) {
      const after = standingAfter(error);
      const mine = this._job !== null || this._jobs.isGone(this.id);
      this._say(
        after === 'stranger' && mine ? 'gone' : after,
        (error as Error).message
      );
      return;
    }
    if (before?.state !== this._job.state || !needsExplaining(this._job)) {
      this._explanation = null; // the reasons of another state are none of this one
    }
    this._say('live');
    this._pace();
    await this._explain();
  }

  /** After the facts are on screen: it may take the site a while to say why. */
  private async _explain(): Promise<void> {
    const explained = this._job;
    if (explained === null || !needsExplaining(explained)) {
      return;
    }
    const explanation = await this._jobs.client
      .explain(this.id)
      .catch(() => null);
    if (!this._isDisposed && explained === this._job) {
      this._explanation = explanation;
      this._changed.emit();
      this._explainAgain(explained);
    }
  }

  /** Why a task waits at a device or a broker changes while the job itself stands still. */
  private _explainAgain(explained: Job): void {
    clearTimeout(this._later);
    if (waitsForDevice(explained)) {
      this._later = setTimeout(() => {
        if (document.hidden) {
          this._explainAgain(explained);
        } else if (this._standing === 'live' && explained === this._job) {
          void this._explain();
        }
      }, EXPLAINED_EVERY_MS);
    }
  }

  /** Outputs are asked for after each change, and every now and then while the cell runs. */
  private _pace(): void {
    if (this._isDisposed) {
      return;
    }
    if (this._audience.size === 0 || this._job === null) {
      void this._outputsPoll.stop();
    } else if (isFinal(this._job.state)) {
      void this._outputsPoll.stop();
      this._fetchOutputs().catch(error => this._say('offline', error.message));
    } else {
      void this._outputsPoll.refresh();
    }
  }

  private async _fetchOutputs(): Promise<void> {
    const { client } = this._jobs;
    const [job, known] = [this._job, this._outputs];
    let outputs = await client.outputs(this.id, known?.seq ?? 0);
    if (outputs.unchanged && outputs.attempt !== known?.attempt) {
      outputs = await client.outputs(this.id); // another attempt counts anew
    }
    if (this._isDisposed) {
      return;
    }
    this._outputsOf = job;
    this._outputs = outputs.unchanged
      ? { ...known!, final: outputs.final }
      : outputs;
    if (!outputs.unchanged || this.isComplete) {
      this._changed.emit();
    }
  }

  private _say(standing: Standing, trouble = ''): void {
    if (this._isDisposed) {
      return;
    }
    this._standing = standing;
    this._trouble = trouble;
    this._changed.emit();
  }

  private readonly _audience = new Audience(
    () => this._pace(),
    () => this._pace()
  );
  private readonly _outputsPoll: Poll;
  private readonly _changed = new Signal<this, void>(this);
  private _standing: Standing = 'loading';
  private _job: Job | null = null;
  private _explanation: Explanation | null = null;
  private _outputs: JobOutputs | null = null;
  private _outputsOf: Job | null = null;
  private _trouble = '';
  private _seen: Summary | undefined;
  private _later: ReturnType<typeof setTimeout> | undefined;
  private _wanted = false;
  private _fetching: Promise<void> | null = null;
  private _isDisposed = false;
}

type Where = Pick<Job, 'state' | 'phase'>;

/** Whether there is more to say of it than its state; doubtful results aside. */
export function needsExplaining(job: Where): boolean {
  return (
    isWaiting(job.state) ||
    waitsForDevice(job) ||
    (isFinal(job.state) && job.state !== 'completed')
  );
}

/** It runs on its node, and a quantum task of it waits its turn at a device or at the broker. */
export function waitsForDevice(job: Where): boolean {
  return job.state === 'running' && job.phase === 'device';
}

function standingAfter(error: unknown): Standing {
  if (!(error instanceof ApiError)) {
    return 'offline';
  }
  if (error.status === 401 || error.status === 403) {
    return 'refused';
  }
  if (error.status !== 404) {
    return 'offline';
  }
  return error.isMissingExtension ? 'missing' : 'stranger';
}
